//! Pictures: each is made once.

use tripline::domain::id::IncidentId;
use tripline::domain::notification::Attempt;
use tripline::domain::policy::{Channel, Policy};
use tripline::domain::run::Outcome::Failed;
use tripline::store::Ledger;
use tripline::store::pictures::Unillustrated;

use super::scene::{accepted, at, attempt, claim, refused, report, rules_with, tell};

async fn wanted(store: &dyn Ledger, since: u32) -> Vec<Unillustrated> {
    store.claim_pictures(at(since), 8, at(4)).await.expect("stored")
}

pub(super) async fn a_message_is_handed_out_for_a_picture_once(store: &dyn Ledger) {
    tell(store, 1, &[Failed]).await;
    assert_eq!(wanted(store, 0).await, [], "nothing was sent");
    let claimed = claim(store, Channel::Slack, at(2)).await;
    attempt(store, &claimed[0], at(2), &accepted()).await;
    assert_eq!(wanted(store, 3).await, [], "that was before");
    let message = Unillustrated { incident: IncidentId(1), receipt: "C1/17".into() };
    assert_eq!(wanted(store, 2).await, [message]);
    assert_eq!(wanted(store, 0).await, [], "it is handed out once");
    assert_eq!(store.forget_pictures(at(4)).await.expect("stored"), 0);
    assert_eq!(store.forget_pictures(at(5)).await.expect("stored"), 1);
}

pub(super) async fn only_the_root_of_a_thread_has_a_picture(store: &dyn Ledger) {
    let taken = |receipt: &str| Attempt::Accepted { receipt: receipt.into() };
    let endings = [refused(), taken("webhook"), taken("C1/18.1 in 17.2"), taken("digest C1/17.2")];
    let names = ["cart", "front", "login", "search"];
    let rules = rules_with(Policy::built_in(Some("devops")), &names);
    for (name, ended) in names.iter().zip(endings) {
        let report = report(name, "eu", 1, Failed);
        store.record(&[report], &rules, at(1)).await.expect("recorded");
        let claimed = claim(store, Channel::Slack, at(2)).await;
        attempt(store, &claimed[0], at(2), &ended).await;
        assert_eq!(wanted(store, 0).await, [], "{ended:?}");
    }
}
