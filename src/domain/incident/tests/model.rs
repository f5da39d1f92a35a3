//! The rules of incidents against a small model of them, whatever happens.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["eu", "us", "ap"];

/// One result: where, how it ended, how many seconds after the one before, and how old it is.
#[derive(Debug, Clone, Copy)]
struct Told {
    place: usize,
    outcome: Outcome,
    after: i64,
    age: i64,
}

/// What the model knows of a region; times are seconds.
#[derive(Clone, Copy, Default)]
struct Place {
    failures: u32,
    passes: u32,
    down: bool,
    last: Option<i64>,
    counted: Option<i64>,
    heard: i64,
    unknowns: u32,
    steady: Option<i64>,
}

/// The rules again, as briefly as they can be said: counts, and nothing of how they are told. An
/// interval has 30 seconds, a run at most 20.
#[derive(Default)]
struct Model {
    places: [Place; 3],
    open: Option<(BTreeSet<usize>, BTreeSet<String>)>,
}

impl Model {
    /// Whom the result tells.
    fn tell(&mut self, policy: &Policy, told: Told, now: i64) -> BTreeSet<String> {
        let (at, slot) = (told.place, now - told.age);
        let place = &self.places[at];
        let mark = if told.outcome == Outcome::Unknown { place.last } else { place.counted };
        if mark.is_some_and(|last| slot <= last) {
            return BTreeSet::new();
        }
        self.count(policy, told, slot);
        match told.outcome {
            Outcome::Unknown => BTreeSet::new(),
            Outcome::Passed => self.passed(policy),
            Outcome::Failed if told.age > 60 => BTreeSet::new(),
            Outcome::Failed => self.failed(policy, at, now),
        }
    }

    fn count(&mut self, policy: &Policy, told: Told, slot: i64) {
        let place = &mut self.places[told.place];
        let broke = place.last.is_some() && slot - place.heard > 60;
        place.last = place.last.max(Some(slot));
        if told.outcome == Outcome::Unknown {
            if place.unknowns == 0 {
                place.heard = slot;
            }
            place.unknowns += 1;
            return;
        }
        (place.heard, place.unknowns, place.counted) = (slot, 0, Some(slot));
        place.steady = place.steady.filter(|_| !broke).or(Some(slot));
        if told.outcome == Outcome::Failed {
            (place.failures, place.passes, place.down) = (place.failures + 1, 0, true);
        } else {
            (place.failures, place.passes) = (0, place.passes + 1);
            place.down &= place.passes < policy.recover_after;
        }
    }

    fn passed(&mut self, policy: &Policy) -> BTreeSet<String> {
        let answered = |number: &usize| (self.places[*number].counted, NAMES[*number]);
        let latest = (0..NAMES.len()).max_by_key(answered).unwrap_or_default();
        let slot = self.places[latest].counted.unwrap_or_default();
        let steady = self.places[latest].steady.unwrap_or(slot);
        let waited_for = |(number, place): &(usize, &Place)| {
            place.down && (*number == latest || slot - place.heard.max(steady) <= 300)
        };
        let down = self.places.iter().enumerate().filter(waited_for).count();
        let over = self.open.take_if(|_| down < policy.quorum.of(3));
        over.map(|(_, told)| told).unwrap_or_default()
    }

    fn failed(&mut self, policy: &Policy, at: usize, now: i64) -> BTreeSet<String> {
        let speaks = |number: usize, place: &Place| {
            let recent = place.last.is_some_and(|last| now - last <= 80);
            number == at || recent && place.unknowns < 5
        };
        let many = |failures: u32| {
            let met = |(number, place): &(usize, &Place)| {
                place.failures >= failures && speaks(*number, place)
            };
            self.places.iter().enumerate().filter(met).count() >= policy.quorum.of(3)
        };
        let tiers = policy.tiers.iter().enumerate();
        let reached: BTreeSet<usize> =
            tiers.filter(|(_, tier)| many(in_a_row(tier))).map(|(number, _)| number).collect();
        let known = self.open.as_ref().map(|(tiers, _)| tiers.clone()).unwrap_or_default();
        let fresh: Vec<usize> = reached.difference(&known).copied().collect();
        if fresh.is_empty() {
            return BTreeSet::new();
        }
        let targets = fresh.iter().flat_map(|number| &policy.tiers[*number].notify);
        let people = targets.flat_map(|target| roster().recipients(target));
        let told: BTreeSet<String> = people.map(|recipient| recipient.to_string()).collect();
        let (tiers, all) = self.open.get_or_insert_default();
        tiers.extend(fresh);
        all.extend(told.iter().cloned());
        told
    }
}

/// What was told of the open incident, and the promises about it.
#[derive(Default)]
struct Ears {
    told: BTreeSet<String>,
    tiers: BTreeSet<(u32, String)>,
}

impl Ears {
    /// A tier speaks once in an incident, and the end of it is told to exactly those who were told
    /// of it (I4).
    fn hear(&mut self, transition: &Transition) -> Result<BTreeSet<String>, TestCaseError> {
        let mut heard = BTreeSet::new();
        for owed in &transition.owed {
            let recipient = owed.recipient.to_string();
            prop_assert!(heard.insert(recipient.clone()), "told twice at once");
            if let NoticeKind::Failing { tier } = owed.notice.kind {
                prop_assert!(self.tiers.insert((tier, recipient.clone())), "a tier spoke twice");
                self.told.insert(recipient);
            } else {
                prop_assert!(self.told.contains(&recipient), "over, and never told");
            }
        }
        if transition.incident.as_ref().is_some_and(|incident| incident.resolved_at.is_some()) {
            prop_assert_eq!(&heard, &self.told);
            *self = Self::default();
        }
        Ok(heard)
    }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let quorum =
        prop_oneof![(1u32..4).prop_map(Quorum::Count), Just(Quorum::Majority), Just(Quorum::All)];
    let target = prop_oneof![
        Just(Target::Slack("#p1".into())),
        Just(Target::Slack("#p2".into())),
        Just(Target::Sms("devops".into())),
        Just(Target::Sms("bo".into())),
    ];
    let tier = (1u32..5, proptest::collection::vec(target, 0..3))
        .prop_map(|(failures_in_a_row, notify)| Tier::after(failures_in_a_row, notify));
    (quorum, 1u32..4, proptest::collection::vec(tier, 0..4)).prop_map(
        |(quorum, recover_after, tiers)| Policy {
            quorum,
            recover_after,
            ..Policy::of("any", tiers)
        },
    )
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Failed),
        3 => Just(Outcome::Passed),
        2 => Just(Outcome::Unknown)
    ]
}

fn any_results() -> impl Strategy<Value = Vec<Told>> {
    let after = prop_oneof![6 => 1i64..40, 1 => 60i64..100, 1 => 250i64..700];
    let age = prop_oneof![5 => Just(0i64), 1 => 55i64..65, 1 => 0i64..900];
    let told = (0usize..3, any_outcome(), after, age)
        .prop_map(|(place, outcome, after, age)| Told { place, outcome, after, age });
    proptest::collection::vec(told, 0..80)
}

/// The model knows of no other tiers.
fn in_a_row(tier: &Tier) -> u32 {
    match tier.when {
        Condition::FailuresInARow(failures) => failures,
        other => unreachable!("{other}"),
    }
}

/// How many regions have failed so often, of those that answer at present.
fn answering_at(story: &Story, failures: u32) -> usize {
    let current =
        |streak: &&Streak| streak.unknowns.is_none() && story.check.is_current(streak, story.now);
    let streaks = story.state.streaks.values().filter(current);
    streaks.filter(|streak| streak.failures >= failures).count()
}

proptest! {
    #[test]
    fn those_are_told_whom_the_model_names(policy in any_policy(), results in any_results()) {
        let mut story = Story::new(policy.clone(), &NAMES);
        let (mut model, mut ears) = (Model::default(), Ears::default());
        for told in results {
            later(&mut story, told.after);
            let verdict = late(&story, NAMES[told.place], told.outcome, told.age);
            let transition = story.tell_at(&verdict);
            let heard = ears.hear(&transition)?;
            let now = (story.now - start()).num_seconds();
            prop_assert_eq!(heard, model.tell(&policy, told, now));
            prop_assert_eq!(story.state.incident.is_some(), model.open.is_some());
            if transition.incident.is_some_and(|incident| incident.resolved_at.is_some()) {
                for tier in &policy.tiers {
                    let still = answering_at(&story, in_a_row(tier));
                    prop_assert!(still < policy.quorum.of(3), "resolved while a tier holds");
                }
            }
        }
    }

    /// Agents that could not reach the hub hand in what they kept, in whatever order: nobody is
    /// told that something fails by that alone, no tier speaks twice, and nothing recovers that
    /// nobody heard of.
    #[test]
    fn what_comes_late_comes_in_any_order(
        policy in any_policy(),
        before in proptest::collection::vec((0usize..3, any_outcome()), 0..12),
        kept in proptest::collection::vec((0usize..3, any_outcome()), 1..40),
        order in any::<u64>(),
        after in proptest::collection::vec((0usize..3, any_outcome()), 0..12),
    ) {
        let mut story = Story::new(policy, &NAMES);
        let mut ears = Ears::default();
        for (place, outcome) in before {
            ears.hear(&story.tell(region(NAMES[place]), outcome))?;
        }
        let slots = (1i64..).map(|number| story.now + TimeDelta::seconds(10 * number));
        let mut replay: Vec<Verdict> = slots
            .zip(&kept)
            .map(|(slot, (place, outcome))| Story::verdict(region(NAMES[*place]), *outcome, slot))
            .collect();
        replay.sort_by_key(|verdict| {
            let place = [verdict.slot.to_string(), order.to_string()];
            crate::domain::id::stable_hash(&[&place[0], &place[1]])
        });
        later(&mut story, 1000);
        for verdict in replay.iter().chain(&replay.clone()) {
            let transition = story.tell_at(verdict);
            let failing = |owed: &Owed| matches!(owed.notice.kind, NoticeKind::Failing { .. });
            prop_assert!(!transition.owed.iter().any(failing), "a late failure told somebody");
            ears.hear(&transition)?;
        }
        for (place, outcome) in after {
            ears.hear(&story.tell(region(NAMES[place]), outcome))?;
        }
    }
}
