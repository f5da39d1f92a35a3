//! What one hub does at a time.

use tripline::store::{Epoch, Store};

use super::scene::{at, seconds};

pub(super) async fn one_holds_a_lease_at_a_time(store: &dyn Store) {
    let take = async |part, holder, now, until| -> Option<Epoch> {
        store.lease(part, holder, now, until).await.expect("answered")
    };
    let first = take("housekeeping", "a", at(1), at(3)).await.expect("it is free");
    assert_eq!(take("housekeeping", "b", at(2), at(9)).await, None);
    assert!(take("rules", "b", at(2), at(9)).await.is_some(), "another part is free");
    assert_eq!(take("housekeeping", "a", at(2), at(4)).await, Some(first), "it was renewed");
    assert_eq!(take("housekeeping", "b", at(3), at(9)).await, None);
    let second = take("housekeeping", "b", at(4), at(6)).await.expect("it ran out");
    assert!(second > first);
    assert_eq!(take("housekeeping", "a", at(5), at(9)).await, None, "whoever lost it knows");
    // One that ran out and is taken up again is a new one: others may have looked meanwhile.
    let third = take("housekeeping", "b", at(6), at(8)).await.expect("it is free");
    assert!(third > second);
}

pub(super) async fn a_lease_is_given_back(store: &dyn Store) {
    let held = store.lease("housekeeping", "a", at(1), at(9)).await.expect("answered");
    let now = at(2) + seconds(1);
    assert_eq!(store.lease("housekeeping", "a", now, now).await.expect("answered"), held);
    let next = store.lease("housekeeping", "b", now, at(9)).await.expect("answered");
    assert!(next > held);
}
