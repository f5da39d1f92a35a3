//! Who may be an agent, and who is: what every backend promises.

use tripline::domain::Timestamp;
use tripline::domain::id::Region;
use tripline::store::agents::{
    Agents, Claim, Claimed, Presence, Supersedes, TokenId, TokenRecord, Tokens,
};
use uuid::Uuid;

use super::scene::at;

fn region(name: &str) -> Region {
    Region::new(name).expect("a good name")
}

pub(super) fn claim(name: &str, instance: u128, now: u32) -> Claim {
    Claim {
        presence: Presence {
            region: region("eu"),
            name: name.into(),
            instance: Uuid::from_u128(instance),
            version: "1.2.3".into(),
            skew_us: -1_250,
            lag_ms: 3,
            spool_reports: 2,
            spool_bytes: 1_200,
            thinned: 1,
            lost: 4,
            revision: Some("0123456789abcdef".into()),
        },
        supersedes: Supersedes::Nobody,
        now: at(now),
        lease_until: at(now + 15),
    }
}

fn granted(names: &[&str]) -> Claimed {
    Claimed::Granted(names.iter().map(|name| (*name).to_owned()).collect())
}

pub(super) async fn a_name_is_one_instances_until_its_lease_ends(agents: &dyn Agents) {
    let claimed = async |claim: Claim| agents.claim_name(&claim).await.expect("answered");
    assert_eq!(claimed(claim("a", 1, 0)).await, granted(&["a"]));
    assert_eq!(claimed(claim("b", 2, 1)).await, granted(&["a", "b"]));
    assert_eq!(claimed(claim("a", 3, 5)).await, Claimed::Taken(at(15)));
    assert_eq!(claimed(claim("a", 1, 6)).await, granted(&["a", "b"]), "the renewal");
    assert_eq!(claimed(claim("a", 3, 20)).await, Claimed::Taken(at(21)));
    assert_eq!(claimed(claim("a", 3, 21)).await, granted(&["a"]), "b is lost meanwhile");

    let mut unready = claim("c", 8, 22);
    unready.presence.revision = None;
    assert_eq!(claimed(unready).await, granted(&["a"]), "it does not know yet what to run");
    let mut stalled = claim("d", 9, 22);
    stalled.presence.lag_ms = 30_000;
    assert_eq!(claimed(stalled).await, granted(&["a"]), "others run what it does not");
    let known = agents.agents().await.expect("listed").into_iter();
    let lost: Vec<bool> = known.map(|it| it.is_lost(at(22)) && it.is_heard(at(22))).collect();
    assert_eq!(lost, [false, false, false, true], "it is as good as lost, though it is heard of");
    let of_another =
        Claim { supersedes: Supersedes::Instance(Uuid::from_u128(9)), ..claim("a", 4, 22) };
    assert_eq!(claimed(of_another).await, Claimed::Taken(at(36)));
    let of_its_own =
        Claim { supersedes: Supersedes::Instance(Uuid::from_u128(3)), ..claim("a", 4, 22) };
    assert_eq!(claimed(of_its_own).await, granted(&["a"]));
    let of_anybody = Claim { supersedes: Supersedes::Anybody, ..claim("a", 5, 23) };
    assert_eq!(claimed(of_anybody).await, granted(&["a"]));
    let mut elsewhere = claim("a", 6, 24);
    elsewhere.presence.region = region("us");
    assert_eq!(claimed(elsewhere).await, granted(&["a"]), "another region, another name");
}

pub(super) async fn what_an_agent_says_is_remembered_until_it_is_forgotten(agents: &dyn Agents) {
    for (name, now) in [("a", 0), ("b", 10), ("a", 20)] {
        agents.claim_name(&claim(name, 1, now)).await.expect("claimed");
    }
    let all = agents.agents().await.expect("listed");
    let [a, b] = all.as_slice() else { panic!("two agents, not {all:?}") };
    assert_eq!(a.presence, claim("a", 1, 20).presence);
    assert_eq!((a.first_seen, a.last_seen, a.lease_until), (at(0), at(20), at(35)));
    assert!(!a.is_lost(at(30)) && a.is_lost(at(35)) && b.is_lost(at(30)));

    let release = async |name: &str, instance: u128, now: Timestamp| {
        let instance = Uuid::from_u128(instance);
        agents.release_name(&region("eu"), name, instance, now).await.expect("released")
    };
    assert!(!release("a", 2, at(21)).await);
    assert_eq!(agents.agents().await.expect("listed")[0].left_at, None, "of another instance");
    assert!(release("a", 1, at(22)).await);
    let a = agents.agents().await.expect("listed").remove(0);
    assert_eq!((a.left_at, a.is_lost(at(99))), (Some(at(22)), false));
    let one = async |region: &Region, name| agents.agent(region, name).await.expect("read");
    assert_eq!(one(&region("eu"), "a").await.as_ref(), Some(&a));
    assert_eq!((one(&region("us"), "a").await, one(&region("eu"), "none\0").await), (None, None));
    let next = agents.claim_name(&claim("a", 7, 22)).await.expect("claimed");
    assert_eq!(next, granted(&["a", "b"]));
    assert_eq!(agents.forget_agents(at(20)).await.expect("forgotten"), 1);
    let left = agents.agents().await.expect("listed");
    assert_eq!(left.iter().map(|it| it.presence.name.as_str()).collect::<Vec<_>>(), ["a"]);

    let mut odd = claim("odd", 1, 20);
    odd.presence.version = "1\0".into();
    odd.presence.revision = Some("\0".into());
    agents.claim_name(&odd).await.expect("whatever a peer says of itself is taken");
    agents.release_name(&region("eu"), "o\0d", Uuid::nil(), at(20)).await.expect("nobody's");
}

/// Brought together by each backend: the daemon's side sees at once what the commands' side did.
pub(super) async fn tokens_are_seen_at_once(agents: &dyn Agents, tokens: &dyn Tokens) {
    let create = async |name: &str, digest: u8| {
        tokens.create(&region("eu"), name, &[digest; 32], at(1)).await.expect("created")
    };
    let (one, two) = (create("one", 1).await, create("two", 2).await);
    assert!(one < two);
    let seen = async || agents.tokens().await.expect("read");
    assert_eq!(seen().await, tokens.list().await.expect("listed"));
    assert_eq!((seen().await[0].digest, seen().await[0].revoked_at), ([1; 32], None));

    let rotate = async |token, digest: u8, now: u32| {
        let rotated = tokens.rotate(token, &[digest; 32], at(now), at(now + 10)).await;
        rotated.expect("asked")
    };
    assert!(rotate(one, 3, 2).await);
    // Rotated again before all agents use the new one: some have the first, some the second.
    assert!(rotate(one, 4, 3).await);
    let token = seen().await.remove(0);
    let former = |token: &TokenRecord| -> Vec<_> {
        token.former.iter().map(|it| (it.digest[0], it.good_until)).collect()
    };
    assert_eq!((token.digest, token.rotated_at), ([4; 32], Some(at(3))));
    assert_eq!(former(&token), [(1, at(12)), (3, at(13))]);
    assert_eq!((token.former_until(at(12)), token.former_until(at(13))), (Some(at(13)), None));
    assert_eq!(seen().await.len(), 2, "each is there once");
    assert!(rotate(one, 6, 12).await);
    assert_eq!(former(&seen().await[0]), [(3, at(13)), (4, at(22))], "what is past is forgotten");

    assert!(rotate(two, 7, 4).await);
    assert!(tokens.revoke(two, at(4)).await.expect("revoked"));
    let revoked = seen().await.remove(1);
    assert_eq!((revoked.revoked_at, former(&revoked)), (Some(at(4)), Vec::new()));
    assert_eq!(former(&seen().await[0]).len(), 2, "of another token");
    assert!(!tokens.revoke(two, at(5)).await.expect("asked"), "once is enough");
    assert!(!rotate(two, 5, 5).await);
    assert!(!tokens.revoke(TokenId(99), at(5)).await.expect("asked"));
}
