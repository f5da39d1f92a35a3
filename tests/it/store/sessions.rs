//! Sessions and attempts to sign in.

use tripline::store::Ledger;
use tripline::store::sessions::{Admission, Bound, Horizons, Session};
use uuid::Uuid;

use super::scene::at;

fn session(user: &str, begun: u32) -> Session {
    Session { user: user.into(), stamp: [9; 32], begun_at: at(begun), seen_at: at(begun) }
}

pub(super) async fn a_session_lasts_until_it_is_ended_or_forgotten(store: &dyn Ledger) {
    for (key, user, begun) in [(1, "ana", 1), (2, "bo", 2), (3, "eva", 3)] {
        store.begin_session(&[key; 32], &session(user, begun)).await.expect("kept");
    }
    let seen = async |key: u8| store.session(&[key; 32]).await.expect("read");
    assert_eq!(seen(1).await, Some(session("ana", 1)));
    assert_eq!(seen(4).await, None);
    store.note_seen(&[1; 32], at(9)).await.expect("noted");
    store.note_seen(&[1; 32], at(8)).await.expect("noted");
    assert_eq!(seen(1).await, Some(Session { seen_at: at(9), ..session("ana", 1) }));

    assert!(store.end_session(&[2; 32]).await.expect("ended"));
    assert!(!store.end_session(&[2; 32]).await.expect("ended"), "it is over");
    assert_eq!(seen(2).await, None);

    let forget = async |begun, used| {
        let horizons = Horizons { begun: at(begun), seen: at(used), tried: at(0) };
        store.forget_sessions(&horizons).await.expect("forgotten")
    };
    assert_eq!(forget(1, 3).await, 0);
    assert_eq!(forget(1, 4).await, 1, "of which nobody has seen anything");
    assert_eq!((seen(1).await.is_some(), seen(3).await), (true, None));
    assert_eq!(forget(2, 4).await, 1, "which began before");
}

fn bound(subject: u8, most: u32, since: u32) -> Bound {
    Bound { subject: [subject; 32], most, since: at(since) }
}

pub(super) async fn attempts_are_counted_by_each_of_their_subjects(store: &dyn Ledger) {
    let attempt = async |number: u128, bounds: &[Bound], now| {
        let id = Uuid::from_u128(number);
        store.admit_attempt(id, bounds, at(now)).await.expect("answered")
    };
    let bounds = [bound(1, 2, 0), bound(2, 3, 0)];
    assert_eq!(attempt(1, &bounds, 1).await, Admission::Granted);
    assert_eq!(attempt(2, &bounds, 2).await, Admission::Granted);
    assert_eq!(attempt(3, &bounds, 3).await, Admission::Beyond(0));
    assert_eq!(attempt(4, &[bound(3, 2, 0), bound(2, 3, 0)], 3).await, Admission::Granted);
    assert_eq!(attempt(5, &[bound(3, 2, 0), bound(2, 3, 0)], 3).await, Admission::Beyond(1));
    // What succeeded counts no more.
    store.forgive_attempt(Uuid::from_u128(2)).await.expect("forgiven");
    assert_eq!(attempt(6, &bounds, 4).await, Admission::Granted);
    assert_eq!(attempt(7, &bounds, 4).await, Admission::Beyond(0));
    // Nor does what is past.
    assert_eq!(attempt(8, &[bound(1, 2, 1)], 5).await, Admission::Granted);
    let horizons = Horizons { begun: at(0), seen: at(0), tried: at(5) };
    store.forget_sessions(&horizons).await.expect("forgotten");
    assert_eq!(attempt(9, &bounds, 6).await, Admission::Granted);
}

pub(super) async fn of_attempts_at_the_same_time_no_more_are_granted(store: &dyn Ledger) {
    let attempts = (0..12).map(|number: u128| async move {
        store.admit_attempt(Uuid::from_u128(number), &[bound(1, 5, 0)], at(1)).await
    });
    let answers = futures::future::join_all(attempts).await;
    let granted = answers.iter().filter(|it| matches!(it, Ok(Admission::Granted))).count();
    let beyond = answers.iter().filter(|it| matches!(it, Ok(Admission::Beyond(0)))).count();
    assert_eq!((granted, beyond), (5, 7), "{answers:?}");
}
