//! How one claimed message leaves: after its turn has come, alone or in a digest, or not now.
//!
//! Whether it goes alone is decided by [`storm::decide`] alone, on what the store knows right before it
//! leaves; the digest is in the store before a byte of it leaves.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::finished::Finished;
use super::{Limits, Parts, story};
use crate::clock::Stopwatch;
use crate::domain::Timestamp;
use crate::domain::id::NotificationId;
use crate::domain::notice::NoticeKind;
use crate::domain::notification::{Attempt, BACKOFF};
use crate::domain::storm::{self, Crowd, Limit, Strain, Verdict};
use crate::engine::judge::ProjectJudge;
use crate::failpoint::{self, Failpoint};
use crate::notify::{Digest, Item, Outbound, Thread};
use crate::store::gathering::{Asked, Background, Gathered, Story};
use crate::store::{self, Claim, Standing};

/// Why something was not sent after all.
const TOO_LATE: &str = "not sent: the claim on it was about to end before its turn came";
const UNKNOWN: &str = "not sent: the store did not say in time what else there is to tell";
const NOT_OURS: &str = "not sent: the claim on it was lost";

/// How long the store may take to note that a repeat is about to leave; with an attempt and the wait
/// for its turn, less than a lease.
const NOTED_WITHIN: Duration = Duration::from_secs(2);
/// How long the store may take to say what was told before; what the wait for its turn leaves.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// It was not sent after all.
#[derive(Debug)]
struct Stayed {
    reason: String,
    /// How long to wait before it is tried.
    wait: Duration,
}

impl Stayed {
    fn for_now(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), wait: BACKOFF.first }
    }
}

/// How it leaves.
#[derive(Debug)]
enum Way {
    Alone,
    Together {
        /// How many incidents are open.
        open: u64,
        /// Until when no message follows, where it is the last for a while.
        last: Option<Timestamp>,
    },
    Held,
}

/// What a message that was claimed leaves with.
#[derive(Debug)]
pub(super) struct Departure {
    pub(super) parts: Parts,
    pub(super) limits: Limits,
    /// What keeps people from being woken, where that is known.
    pub(super) judge: Option<Arc<ProjectJudge>>,
    /// What holds for the messages to one recipient; `None` where each goes alone.
    pub(super) limit: Option<Limit>,
    /// What was read when it was handed out.
    pub(super) known: Option<Box<Background>>,
    pub(super) strain: Strain,
    /// How long it waits for its turn.
    pub(super) hold: Duration,
    /// When it was claimed; `told` has been running since.
    pub(super) now: Timestamp,
    pub(super) told: Stopwatch,
}

impl Departure {
    /// Sends it once, if it can leave; `None` when it is held.
    pub(super) async fn go(mut self, claim: Claim) -> Option<Finished> {
        if !self.hold.is_zero() {
            // A timer waits for its next tick, however short the time.
            sleep(self.hold).await;
            self.known = None;
        }
        failpoint::reach(Failpoint::Claimed);
        // Not before its turn: the later, the more is told together, and the truer it is.
        let (claim, way, story) = match self.background(&claim).await {
            Ok(background) => match self.restraint(&claim, &background) {
                Some((until, reason)) => {
                    let way = self.hold(&claim, &[], until, &reason).await;
                    (claim, way, None)
                }
                None => self.way(claim, background).await,
            },
            Err(stayed) => (claim, Err(stayed), None),
        };
        let started_at = self.moment();
        let left = async {
            let way = way?;
            if let Way::Held = way {
                return Ok(None);
            }
            self.may_leave(&claim).await?;
            Ok(Some(match way {
                Way::Together { open, last } => self.send_digest(&claim, open, last).await,
                Way::Alone | Way::Held => {
                    let thread = story.map(|story| {
                        story::of(story, &claim.notification, self.parts.contacts.sms())
                    });
                    self.send(&claim, thread.as_ref()).await
                }
            }))
        };
        let (attempt, put_off) = match left.await {
            Ok(None) => return None,
            Ok(Some(attempt)) => (attempt, None),
            Err(Stayed { reason, wait }) => (Attempt::Retry { reason, after: None }, Some(wait)),
        };
        Some(Finished::new(claim, (attempt, put_off), (started_at, self.moment())))
    }

    pub(super) fn moment(&self) -> Timestamp {
        self.now + self.told.elapsed()
    }

    /// What holds for the messages to its recipient; `None` where each goes alone.
    fn limit(&self, claim: &Claim) -> Option<Limit> {
        // A drill shows that this very message arrives.
        self.limit.filter(|_| claim.notification.notice.kind != NoticeKind::Drill)
    }

    /// What else there is for its recipient, and what was said before, without which a message would not
    /// find its place.
    async fn background(&mut self, claim: &Claim) -> Result<Background, Stayed> {
        let notification = &claim.notification;
        let since = self.limit(claim).map(|limit| self.moment() - limit.memory());
        let doubtful = self.doubtful(claim);
        let story = story::asked(notification).filter(|_| claim.gathered.is_none());
        let asked = Asked {
            crowd: since.map(|since| (&notification.recipient, since)),
            story: story.or(doubtful),
            silences: doubtful.map(|_| self.moment()),
        };
        if asked == Asked::default() {
            return Ok(Background::default());
        }
        if doubtful.is_none()
            && let Some(known) = self.known.take()
        {
            return Ok(*known);
        }
        read(self.parts.store.background(&asked)).await
    }

    /// How it leaves, and what was said before to those who are to know.
    async fn way(
        &self,
        claim: Claim,
        background: Background,
    ) -> (Claim, Result<Way, Stayed>, Option<Story>) {
        let story =
            background.story.filter(|_| claim.notification.recipient.channel().has_thread());
        match self.limit(&claim).zip(background.crowd) {
            Some((limit, crowd)) => {
                let (claim, way) = self.weigh(claim, &crowd, &limit).await;
                (claim, way, story)
            }
            None => (claim, Ok(Way::Alone), story),
        }
    }

    /// Lets it go until then, with `others`.
    async fn hold(
        &self,
        claim: &Claim,
        others: &[NotificationId],
        until: Timestamp,
        reason: &str,
    ) -> Result<Way, Stayed> {
        match self.parts.store.hold(claim, others, until, reason).await {
            Ok(Standing::Held | Standing::Lost) => Ok(Way::Held),
            Err(error) => Err(Stayed::for_now(format!("not held: {error}"))),
        }
    }

    /// Decides how it leaves; what leaves with it is held by the claim then.
    async fn weigh(
        &self,
        claim: Claim,
        crowd: &Crowd,
        limit: &Limit,
    ) -> (Claim, Result<Way, Stayed>) {
        let now = self.moment();
        if claim.gathered.is_some() {
            // What may have arrived is said again, and nothing else.
            let last = storm::last(crowd, limit, now);
            return self.gather(claim, &[], last).await;
        }
        match storm::decide(&claim.notification, crowd, limit, self.strain, now) {
            Verdict::Alone => (claim, Ok(Way::Alone)),
            Verdict::Gather { others, last } => {
                match read(self.unrestrained(&claim, crowd, others)).await {
                    Ok(others) => self.gather(claim, &others, last).await,
                    Err(stayed) => (claim, Err(stayed)),
                }
            }
            Verdict::Hold { others, until, reason } => {
                let way = self.hold(&claim, &others, until, &reason).await;
                (claim, way)
            }
        }
    }

    /// Must not be abandoned: what is gathered would wait for the end of its lease.
    async fn gather(
        &self,
        claim: Claim,
        others: &[NotificationId],
        last: Option<Timestamp>,
    ) -> (Claim, Result<Way, Stayed>) {
        match self.parts.store.gather(&claim, others).await {
            Ok(Some(Gathered { claim: joined, open })) => {
                // Those of before are not handed out again.
                let before = claim.gathered.into_iter().flatten();
                let gathered = before.chain(joined.gathered.into_iter().flatten());
                let mut gathered: Vec<Claim> = gathered.collect();
                gathered.sort_by_key(|it| it.notification.id);
                gathered.dedup_by_key(|it| it.notification.id);
                let claim = Claim { gathered: Some(gathered), ..claim };
                (claim, Ok(Way::Together { open, last }))
            }
            Ok(None) => (claim, Err(Stayed::for_now(NOT_OURS))),
            Err(error) => (claim, Err(Stayed::for_now(format!("not gathered: {error}")))),
        }
    }

    /// Whether a message may leave now: its claim outlives the attempt, and if it is a repeat, it is noted
    /// that it is about to leave. A first attempt needs no note, because one that is lost may be repeated
    /// anyway.
    async fn may_leave(&self, claim: &Claim) -> Result<(), Stayed> {
        // By both clocks: one may have been set back, the other stops while a machine sleeps.
        let in_time = || {
            let limit = self.limits.attempt;
            let is_held = self.told.elapsed() + limit <= self.limits.lease;
            if is_held && self.parts.clock.now() + limit <= claim.until {
                return Ok(());
            }
            Err(Stayed { reason: TOO_LATE.to_owned(), wait: Duration::ZERO })
        };
        in_time()?;
        if !claim.notification.possible_repeat {
            return Ok(());
        }
        match timeout(NOTED_WITHIN, self.parts.store.note_departure(claim)).await {
            // It took its time, too.
            Ok(Ok(Standing::Held)) => in_time(),
            Ok(Ok(Standing::Lost)) => Err(Stayed::for_now(NOT_OURS)),
            Ok(Err(error)) => Err(Stayed::for_now(format!("not sent: {error}"))),
            Err(_) => Err(Stayed::for_now("not sent: the store did not note the repeat in time")),
        }
    }

    async fn send(&self, claim: &Claim, thread: Option<&Thread>) -> Attempt {
        let ways = self.parts.contacts.ways(&claim.notification.recipient);
        let link = self.parts.contacts.link(claim.notification.incident);
        let message = Outbound {
            notification: &claim.notification,
            phone: ways.phone.as_deref(),
            email: ways.email.as_deref(),
            at: self.moment(),
            link: link.as_deref(),
            thread,
        };
        once(self.parts.transport.send(message), self.limits.attempt).await
    }

    async fn send_digest(&self, claim: &Claim, open: u64, last: Option<Timestamp>) -> Attempt {
        let contacts = &self.parts.contacts;
        let ways = contacts.ways(&claim.notification.recipient);
        let link = contacts.list();
        if let Some(until) = last {
            let recipient = &claim.notification.recipient;
            tracing::warn!(%recipient, %until, "this is the last message until then: there were many");
        }
        let gathered = claim.gathered.iter().flatten();
        let told = std::iter::once(claim).chain(gathered).map(|Claim { notification, .. }| Item {
            notification,
            link: contacts.link(notification.incident),
        });
        let digest = Digest {
            head: &claim.notification,
            told: told.collect(),
            phone: ways.phone.as_deref(),
            email: ways.email.as_deref(),
            at: self.moment(),
            open,
            link: link.as_deref(),
            last,
        };
        once(self.parts.transport.send_digest(&digest), self.limits.attempt).await
    }
}

/// What the store says, if it does so in time.
async fn read<T>(asked: impl Future<Output = Result<T, store::Error>>) -> Result<T, Stayed> {
    match timeout(READ_WITHIN, asked).await {
        Ok(read) => read.map_err(|error| Stayed::for_now(format!("not sent: {error}"))),
        Err(_) => Err(Stayed::for_now(UNKNOWN)),
    }
}

/// One attempt. A transport that breaks its promises may still have sent the message.
async fn once(attempt: impl Future<Output = Attempt>, limit: Duration) -> Attempt {
    match timeout(limit, AssertUnwindSafe(attempt).catch_unwind()).await {
        Ok(Ok(attempt)) => attempt,
        Ok(Err(_)) => Attempt::Ambiguous { reason: "the channel failed unexpectedly".into() },
        Err(_) => Attempt::Ambiguous { reason: "the channel did not end in time".into() },
    }
}
