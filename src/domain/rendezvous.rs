//! Which of several agents of a region runs a check.
//!
//! Rendezvous hashing: each check goes to the agent whose name, hashed together with the check's id,
//! gives the largest number. Whoever knows the names agrees without talking, each check has exactly
//! one owner, and when an agent leaves or comes only its own checks move.
//!
//! Source: D. Thaler and C. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998.

use super::id::{CheckId, stable_hash};

/// The one of `agents` that runs `check`; `None` when there are none. The order in which the names
/// are given does not matter.
pub fn owner<'a>(check: &CheckId, agents: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let weighed = agents.into_iter().map(|name| (stable_hash(&[check.as_str(), name]), name));
    weighed.max().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(number: usize) -> CheckId {
        CheckId::new(&format!("shop/check-{number}")).expect("a good name")
    }

    fn names(agents: &std::collections::BTreeSet<String>) -> Vec<&str> {
        agents.iter().map(String::as_str).collect()
    }

    proptest! {
        #[test]
        fn everybody_agrees_on_one_owner_whatever_the_order(
            agents in proptest::collection::btree_set("[a-z]{1,6}", 1..8), number in 0usize..1000,
        ) {
            let forward = names(&agents);
            let backward: Vec<&str> = forward.iter().rev().copied().collect();
            let found = owner(&check(number), forward.iter().copied());
            prop_assert_eq!(found, owner(&check(number), backward));
            prop_assert!(found.is_some_and(|name| agents.contains(name)));
        }

        #[test]
        fn when_one_leaves_only_its_checks_move(
            agents in proptest::collection::btree_set("[a-z]{1,6}", 2..8), leaver in any::<usize>(),
        ) {
            let before = names(&agents);
            let leaver = before[leaver % before.len()];
            for number in 0..200 {
                let old = owner(&check(number), before.iter().copied());
                let stays = before.iter().copied().filter(|name| *name != leaver);
                let new = owner(&check(number), stays);
                prop_assert!(new != Some(leaver));
                prop_assert!(old == new || old == Some(leaver));
            }
        }
    }

    #[test]
    fn the_checks_are_spread_evenly() {
        let agents = ["a", "b", "c", "d"];
        let of = |name: &str| {
            (0..4000).filter(|number| owner(&check(*number), agents) == Some(name)).count()
        };
        for name in agents {
            assert!((850..=1150).contains(&of(name)), "{name} has {} of 4000", of(name));
        }
    }

    #[test]
    fn without_agents_there_is_no_owner() {
        assert_eq!(owner(&check(1), []), None);
    }
}
