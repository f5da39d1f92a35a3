//! Incidents, what was decided about them, and the notifications they owed.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Acknowledgement, Channel, DecisionKind, DeliveryOutcome, IncidentStatus, NoticeKind,
    NotificationState, Outcome, RegionState, Time, millis,
};
use crate::domain::id::{CheckId, IncidentId, Region, RunId};
use crate::domain::subject::Subject;
use crate::domain::{Timestamp, failed_request, incident, notice, policy};
use crate::store;

/// Incidents, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Incidents {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// What to pass as `before` for those that follow; `null` when there are no more.
    pub next_before: Option<i64>,
}

/// A check being down, or something else being wrong, from opening to resolution.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Incident {
    /// Its number.
    pub id: Option<i64>,
    /// What it is about: `check:ID` of a check that fails, `coverage:ID` of one of which nobody
    /// knows how it is doing, `region:NAME` of a region from which no check gives an answer.
    pub subject: String,
    /// The id of the check; `null` where it is about a region.
    pub check: Option<String>,
    /// Whether it is over.
    pub status: IncidentStatus,
    /// The first failed slot, or the first unknown one.
    pub since: Time,
    /// When it was opened.
    pub opened_at: Time,
    /// When it was resolved.
    pub resolved_at: Option<Time>,
    /// The tiers of the policy that were reached, counted from 1.
    pub tiers: Vec<u32>,
    /// Everyone who is or was to be told.
    pub told: Vec<Recipient>,
    /// The latest failure.
    pub cause: Cause,
    /// Who takes care of it; `null` when nobody does.
    pub acknowledged: Option<Acknowledgement>,
    /// What is still to be told, and why it was not; `null` when nothing is held back.
    pub held: Option<Held>,
    /// How often it was opened again.
    pub reopened: u32,
    /// When time alone may change something; `null` when it does not.
    pub due_at: Option<Time>,
}

/// Tiers that were reached while nobody was to be told.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Held {
    /// The tiers.
    pub tiers: Vec<u32>,
    /// What kept people from being told, in words.
    pub why: Option<String>,
}

impl Incident {
    /// The twin of an incident about `subject`.
    pub fn new(id: Option<IncidentId>, subject: &Subject, incident: &incident::Incident) -> Self {
        let (over, story) = (incident.resolved_at.is_some(), &incident.story);
        Self {
            id: id.map(|id| id.0),
            subject: subject.to_string(),
            check: subject.check().map(CheckId::to_string),
            status: if over { IncidentStatus::Resolved } else { IncidentStatus::Open },
            since: Time(incident.since),
            opened_at: Time(incident.opened_at),
            resolved_at: incident.resolved_at.map(Time),
            tiers: incident.tiers.iter().copied().collect(),
            told: incident.told.iter().map(Recipient::from).collect(),
            cause: Cause {
                region: incident.cause.region.to_string(),
                step: incident.cause.step.clone(),
                request: incident.cause.request.as_ref().map(FailedRequest::from),
                error: incident.cause.error.clone(),
            },
            acknowledged: story.acknowledged.as_ref().map(Acknowledgement::from),
            held: (!story.held.is_empty()).then(|| Held {
                tiers: story.held.iter().copied().collect(),
                why: story.held_by.clone(),
            }),
            reopened: story.reopened,
            due_at: incident.due_at.map(Time),
        }
    }
}

impl From<&store::IncidentRecord> for Incident {
    fn from(record: &store::IncidentRecord) -> Self {
        Self::new(Some(record.id), &record.subject, &record.incident)
    }
}

/// A failure as people are told of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cause {
    /// Where.
    pub region: String,
    /// The first failing step.
    pub step: Option<String>,
    /// The request on which it failed; `null` where it failed on none.
    pub request: Option<FailedRequest>,
    /// The error in one line.
    pub error: String,
}

/// A request on which a check failed, with what came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FailedRequest {
    /// The method.
    pub method: String,
    /// The URL up to its path; secrets are masked.
    pub url: String,
    /// The status of the answer; `null` when there was none.
    pub status: Option<u16>,
    /// Why there was none, in one line.
    pub error: Option<String>,
    /// How long it took, as far as it came.
    pub took_ms: f64,
}

impl From<&failed_request::FailedRequest> for FailedRequest {
    fn from(request: &failed_request::FailedRequest) -> Self {
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            status: request.status,
            error: request.error.clone(),
            took_ms: millis(request.took),
        }
    }
}

/// One place that notifications go to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Recipient {
    /// The way.
    pub channel: Channel,
    /// The channel's own name for the recipient: a Slack channel, a person.
    pub address: String,
}

impl From<&policy::Recipient> for Recipient {
    fn from(recipient: &policy::Recipient) -> Self {
        Self { channel: recipient.channel().into(), address: recipient.address().to_owned() }
    }
}

/// Everything known of one incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: Incident,
    /// The run that opened it.
    pub opened_by: Option<RunLink>,
    /// The latest run that failed while it was open.
    pub latest_failed_run: Option<RunLink>,
    /// How the check is doing now in each of its regions; empty when it is not in the project any
    /// more. How it was doing when somebody was told stands in the notices.
    pub regions: Vec<RegionState>,
    /// What was decided and why, oldest first.
    pub history: Vec<Decision>,
    /// Whom it told, in the order owed.
    pub notifications: Vec<Notification>,
}

/// Where to read about a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunLink {
    /// Its id.
    pub id: String,
    /// Its path in this API.
    pub path: String,
}

impl From<RunId> for RunLink {
    fn from(id: RunId) -> Self {
        Self { id: id.to_string(), path: format!("/api/v1/runs/{id}") }
    }
}

impl IncidentDetail {
    /// The twin of `history`, with the `regions` as they are now and the runs that tell of it.
    pub fn new(
        history: &store::IncidentHistory,
        regions: Vec<RegionState>,
        opened_by: Option<RunId>,
        latest_failed: Option<RunId>,
    ) -> Self {
        Self {
            incident: Incident::from(&history.record),
            opened_by: opened_by.map(RunLink::from),
            latest_failed_run: latest_failed.map(RunLink::from),
            regions,
            history: history.decisions.iter().map(Decision::from).collect(),
            notifications: history.notifications.iter().map(Notification::from).collect(),
        }
    }
}

/// A decision and its reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Decision {
    /// When.
    pub at: Time,
    /// What was decided.
    pub kind: DecisionKind,
    /// Why, in a sentence.
    pub reason: String,
}

impl From<&(Timestamp, incident::Decision)> for Decision {
    fn from((at, decision): &(Timestamp, incident::Decision)) -> Self {
        Self { at: Time(*at), kind: decision.kind.into(), reason: decision.reason.clone() }
    }
}

/// A message owed to one recipient and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Notification {
    /// Its number.
    pub id: i64,
    /// Who gets it.
    pub recipient: Recipient,
    /// Where it stands.
    pub state: NotificationState,
    /// What it says.
    pub notice: Notice,
    /// Whether it is the first word of the incident that the recipient hears.
    pub first_word: bool,
    /// Why it stands there; `null` before the first attempt.
    pub reason: Option<String>,
    /// When it was owed.
    pub owed_at: Time,
    /// When it is tried next; `null` when it is not tried again.
    pub due_at: Option<Time>,
    /// Failed attempts so far.
    pub failures: u32,
    /// Whether an earlier attempt may have arrived.
    pub possible_repeat: bool,
    /// The attempts, oldest first; none where it was told in the digest of another.
    pub deliveries: Vec<Delivery>,
    /// The notification by whose message it is told, where that is a digest: itself, or another one to
    /// the same recipient; `null` where it is told by itself.
    pub digest: Option<i64>,
    /// When what happened.
    pub stamps: Stamps,
    /// Who was told instead; `null` while it is not known to have failed to arrive.
    pub succession: Option<Succession>,
}

/// When what happened to a notification; `null` where it has not happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Stamps {
    /// The failing answer came that it tells of; `null` where it tells of something else.
    pub failed: Option<Time>,
    /// It was decided that somebody is to be told, and owed.
    pub decided: Time,
    /// The request left that was accepted; that of the digest, where it was told in one.
    pub sent: Option<Time>,
    /// The provider's answer to that came.
    pub accepted: Option<Time>,
    /// Somebody acknowledged the incident, for the first time after that.
    pub acknowledged: Option<Time>,
}

/// Who was told instead of somebody whom a message did not reach.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Succession {
    /// When it was decided.
    pub at: Time,
    /// Who is told instead, or why nobody is, in a sentence.
    pub sentence: String,
}

impl From<&store::NotificationRecord> for Notification {
    fn from(record: &store::NotificationRecord) -> Self {
        let notification = &record.notification;
        let state = NotificationState::from(record.state);
        Self {
            id: notification.id.0,
            recipient: Recipient::from(&notification.recipient),
            state,
            notice: Notice::from(&notification.notice),
            first_word: notification.first_word,
            reason: record.reason.clone(),
            owed_at: Time(notification.owed_at),
            due_at: (state == NotificationState::Owed).then_some(Time(record.due_at)),
            failures: notification.failures,
            possible_repeat: notification.possible_repeat,
            deliveries: record.deliveries.iter().map(Delivery::from).collect(),
            digest: record.digest.map(|id| id.0),
            stamps: Stamps {
                failed: record.stamps.failed.map(Time),
                decided: Time(notification.owed_at),
                sent: record.stamps.sent.map(Time),
                accepted: record.stamps.accepted.map(Time),
                acknowledged: record.stamps.acknowledged.map(Time),
            },
            succession: record
                .succession
                .as_ref()
                .map(|it| Succession { at: Time(it.at), sentence: it.sentence.clone() }),
        }
    }
}

/// What a notification says, at the moment it was decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Notice {
    /// What there is to say.
    pub kind: NoticeKind,
    /// The tier that was reached, for `failing`.
    pub tier: Option<u32>,
    /// What it is about, as in the incident.
    pub subject: String,
    /// The id of the check; `null` where it is about a region.
    pub check: Option<String>,
    /// What people call the check or the region.
    pub check_name: String,
    /// The region whose result led to this.
    pub region: String,
    /// All regions that were down, in order.
    pub down: Vec<String>,
    /// How the check was doing in each of its regions, failing ones first; empty in notices of
    /// versions that did not know.
    pub regions: Vec<SeenRegion>,
    /// The first failing step of the latest failure.
    pub step: Option<String>,
    /// The request on which it failed; `null` where it failed on none, and in notices of versions that
    /// did not know.
    pub request: Option<FailedRequest>,
    /// The latest failure in one line.
    pub error: String,
    /// The first failed slot.
    pub since: Time,
    /// Failures in a row in the region.
    pub failures_in_a_row: u32,
    /// When it was decided.
    pub at: Time,
    /// Where the recipient finds what to do.
    pub runbook: Option<String>,
    /// What else there is to say: that it fails again, that a silence is over, who did what.
    pub note: Option<String>,
}

impl From<&notice::Notice> for Notice {
    fn from(notice: &notice::Notice) -> Self {
        let tier = match notice.kind {
            notice::NoticeKind::Failing { tier } => Some(tier),
            _ => None,
        };
        Self {
            kind: notice.kind.into(),
            tier,
            subject: notice.subject.to_string(),
            check: notice.subject.check().map(CheckId::to_string),
            check_name: notice.check_name.clone(),
            region: notice.region.to_string(),
            down: notice.down.iter().map(Region::to_string).collect(),
            regions: notice.regions.iter().map(SeenRegion::from).collect(),
            step: notice.step.clone(),
            request: notice.request.as_ref().map(FailedRequest::from),
            error: notice.error.clone(),
            since: Time(notice.since),
            failures_in_a_row: notice.failures_in_a_row,
            at: Time(notice.at),
            runbook: notice.runbook.clone(),
            note: notice.note.clone(),
        }
    }
}

/// How a check was doing in one region when a notification was decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SeenRegion {
    /// The region.
    pub region: String,
    /// How its last runs had ended; `unknown` as well when there had been none lately.
    pub outcome: Outcome,
    /// Failures in a row.
    pub failures_in_a_row: u32,
}

impl From<&notice::RegionState> for SeenRegion {
    fn from(state: &notice::RegionState) -> Self {
        Self {
            region: state.region.to_string(),
            outcome: state.outcome.into(),
            failures_in_a_row: state.failures_in_a_row,
        }
    }
}

/// One attempt to send a notification.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Delivery {
    /// When it started.
    pub started_at: Time,
    /// When its outcome was known.
    pub ended_at: Time,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// The provider's receipt or the reason.
    pub detail: String,
    /// What the provider said later; `null` where it says nothing.
    pub proof: Option<Proof>,
}

/// How a message stands with its provider, after it took it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Proof {
    /// `queued`, `sending`, `sent`, `delivered`, `undelivered`, `failed`; `overdue` where it did not leave
    /// the provider for too long.
    pub status: String,
    /// The provider's number for why.
    pub code: Option<u32>,
    /// When it said so.
    pub at: Time,
}

impl From<&store::Delivery> for Delivery {
    fn from(delivery: &store::Delivery) -> Self {
        Self {
            started_at: Time(delivery.started_at),
            ended_at: Time(delivery.ended_at),
            outcome: DeliveryOutcome::from_word(&delivery.outcome),
            detail: delivery.detail.clone(),
            proof: delivery.proof.map(|it| Proof {
                status: it.word.status.as_str().to_owned(),
                code: it.word.code,
                at: Time(it.at),
            }),
        }
    }
}
