//! `tripline why`: why people were told of an incident, or why not.
//!
//! All that was decided, sent and done, oldest first. Reads the store beside the daemon; nothing is
//! asked of it.

use std::fmt::Write as _;
use std::io::Write as _;

use super::args::{self, Global, Why};
use super::exit::Exit;
use super::look::{Look, Paint, Zone, clean, padded};
use super::run::Stop;
use super::store::open;
use super::terminal::{Stream, Terminal};
use crate::domain::Timestamp;
use crate::domain::id::{CheckId, IncidentId};
use crate::domain::incident::DecisionKind;
use crate::domain::notification::NotificationState;
use crate::domain::proof::{PRINTED, Status};
use crate::domain::restraint::HELD_BACK;
use crate::domain::subject::Subject;
use crate::store::{
    DecisionRecord, Delivery, Error, IncidentFilter, IncidentHistory, Ledger, NotificationRecord,
};

/// How far back decisions about a check that has no incident are looked at.
const DECISIONS: u32 = 100;

/// Runs the command.
pub(super) async fn run(wanted: &Why, global: &Global, terminal: &Terminal) -> Result<Exit, Stop> {
    let store = open(global, terminal).await?;
    let look = terminal.look(Stream::Out);
    let text = match args::incident(&wanted.about) {
        Ok(number) => {
            let history = store.incident(IncidentId(number)).await.map_err(broken)?;
            let missing = || Stop::Usage(format!("there is no incident {number}"));
            trail(&history.ok_or_else(missing)?, &[], &look)
        }
        Err(_) => of_check(&*store, &wanted.about, &look).await?,
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(Exit::Good)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn broken(error: Error) -> Stop {
    Stop::Broken(error.to_string())
}

/// That a check of this name has run; a mistyped one must not read as if all were quiet.
async fn known(store: &dyn Ledger, check: &CheckId) -> Result<(), Stop> {
    const MOST: usize = 20;
    let states = store.check_states().await.map_err(broken)?;
    if states.contains_key(check) {
        return Ok(());
    }
    let mut names: Vec<&str> = states.keys().take(MOST).map(CheckId::as_str).collect();
    if states.len() > MOST {
        names.push("...");
    }
    let there = if names.is_empty() { "none has".to_owned() } else { names.join(", ") };
    Err(Stop::Usage(format!("no check `{check}` has run; these have: {there}")))
}

/// The last incident about a check, and what was decided about it since.
async fn of_check(store: &dyn Ledger, name: &str, look: &Look) -> Result<String, Stop> {
    let wrong = |error| Stop::Usage(format!("`{}` is no check: {error}", clean(name)));
    let check = CheckId::new(name).map_err(wrong)?;
    let filter =
        IncidentFilter { check: Some(check.clone()), limit: 1, ..IncidentFilter::default() };
    let last = store.incidents(&filter).await.map_err(broken)?.into_iter().next();
    let mut beside = store.decisions(&check, DECISIONS).await.map_err(broken)?;
    // The latest come first.
    beside.reverse();
    beside.retain(|it| it.incident.is_none());
    let Some(last) = last else {
        if beside.is_empty() {
            known(store, &check).await?;
            let name = clean(name);
            return Ok(format!("Nobody was told of {name}: no incident, and nothing decided.\n"));
        }
        let mut text = format!("{}: no incident\n\n", look.paint(Paint::Strong, &clean(name)));
        text += &lines(beside.iter().map(Event::beside).collect(), look);
        return Ok(text);
    };
    let history = store.incident(last.id).await.map_err(broken)?;
    let gone = || Stop::Broken("the incident was forgotten meanwhile; ask again".to_owned());
    let history = history.ok_or_else(gone)?;
    let begun = history.record.incident.since;
    beside.retain(|it| it.at >= begun);
    Ok(trail(&history, &beside, look))
}

/// One line of a trail.
struct Event {
    at: Timestamp,
    word: &'static str,
    paint: Paint,
    text: String,
}

impl Event {
    fn beside(record: &DecisionRecord) -> Self {
        Self::decided(record.at, record.decision.kind, &record.decision.reason)
    }

    fn decided(at: Timestamp, kind: DecisionKind, reason: &str) -> Self {
        let (word, paint) = match kind {
            DecisionKind::Opened => ("opened", Paint::Bad),
            DecisionKind::Reopened => ("opened again", Paint::Bad),
            DecisionKind::Escalated => ("escalated", Paint::Bad),
            DecisionKind::Reminded => ("told again", Paint::Bad),
            DecisionKind::Resolved => ("resolved", Paint::Good),
            DecisionKind::NotTold => ("not told", Paint::Unsure),
            DecisionKind::Ignored => ("ignored", Paint::Faint),
            DecisionKind::Acknowledged => ("acknowledged", Paint::Accent),
            DecisionKind::LeftAlone => ("left alone", Paint::Unsure),
            DecisionKind::Noted => ("noted", Paint::Accent),
        };
        Self { at, word, paint, text: clean(reason) }
    }

    /// What is owed to somebody, and what came of each attempt.
    fn sent(record: &NotificationRecord) -> Vec<Self> {
        let notification = &record.notification;
        let to = clean(&notification.recipient.to_string());
        let said = notification.notice.kind.as_str();
        let mut text = format!("{to}: {said}");
        if record.state == NotificationState::Superseded {
            text += ", not sent: something later takes its place";
        } else if let (NotificationState::HandedOn, Some(reason)) = (record.state, &record.reason) {
            let _ = write!(text, ", handed on: {}", clean(reason));
        } else if let (NotificationState::GivenUp, Some(reason), true) =
            (record.state, &record.reason, record.deliveries.is_empty())
        {
            let _ = write!(text, ", given up: {}", clean(reason));
        } else if let (NotificationState::InDigest, Some(reason)) = (record.state, &record.reason) {
            let at = record.stamps.accepted.unwrap_or(notification.owed_at);
            let owed = Self { at: notification.owed_at, word: "owed", paint: Paint::Faint, text };
            let told = format!("{to}: {said}, {}", clean(reason));
            return vec![owed, Self { at, word: "sent", paint: Paint::Good, text: told }];
        } else if record.deliveries.is_empty() && record.state == NotificationState::Owed {
            text += ", not sent yet";
            text.extend(record.reason.as_ref().map(|reason| format!(": {}", clean(reason))));
        } else if let (NotificationState::Owed, Some(reason)) = (record.state, &record.reason)
            && reason.starts_with(HELD_BACK)
        {
            _ = write!(text, ", {}", clean(reason));
        }
        let owed = Self { at: notification.owed_at, word: "owed", paint: Paint::Faint, text };
        let tried = record.deliveries.iter().map(|delivery| {
            let (word, paint) = match delivery.outcome.as_str() {
                "accepted" if delivery.detail == PRINTED => ("printed only", Paint::Unsure),
                "accepted" => ("sent", Paint::Good),
                "retry" => ("tried", Paint::Unsure),
                "ambiguous" => ("sent?", Paint::Unsure),
                "broken" => ("broken", Paint::Bad),
                _ => ("given up", Paint::Bad),
            };
            let text = format!("{to}: {said} ({})", clean(&delivery.detail));
            Self { at: delivery.ended_at, word, paint, text }
        });
        let proven =
            record.deliveries.iter().filter_map(|it| Self::proven(it, &format!("{to}: {said}")));
        let succession = record.succession.iter().map(|it| Self {
            at: it.at,
            word: "told instead",
            paint: Paint::Unsure,
            text: clean(&it.sentence),
        });
        std::iter::once(owed).chain(tried).chain(proven).chain(succession).collect()
    }

    /// What the provider said later, where that says something.
    fn proven(delivery: &Delivery, what: &str) -> Option<Self> {
        let proof = delivery.proof?;
        let (word, paint) = match proof.word.status {
            Status::Queued | Status::Sending => return None,
            Status::Sent => ("sent on", Paint::Good),
            Status::Delivered => ("delivered", Paint::Good),
            Status::Overdue | Status::Undelivered | Status::Failed => ("not arrived", Paint::Bad),
        };
        let code = proof.word.code.map(|code| format!(", {code}"));
        let text = format!("{what} ({}{})", proof.word.status, code.unwrap_or_default());
        Some(Self { at: proof.at, word, paint, text })
    }
}

fn trail(history: &IncidentHistory, beside: &[DecisionRecord], look: &Look) -> String {
    let decided = history.decisions.iter().map(|(at, it)| Event::decided(*at, it.kind, &it.reason));
    let mut events: Vec<Event> = decided.chain(beside.iter().map(Event::beside)).collect();
    events.extend(history.notifications.iter().flat_map(Event::sent));
    events.sort_by_key(|event| event.at);
    head(history, look) + "\n" + &lines(events, look)
}

/// How it stands now.
fn head(history: &IncidentHistory, look: &Look) -> String {
    let (record, incident) = (&history.record, &history.record.incident);
    let story = &incident.story;
    let title = format!("#{} {}", record.id, clean(&record.subject.to_string()));
    let stands = match incident.resolved_at {
        Some(at) => look.paint(Paint::Good, &format!("resolved {}", moment(at, look))),
        None => {
            look.paint(Paint::Bad, &format!("open since {}", moment(incident.begun_at(), look)))
        }
    };
    let mut text = format!("{}: {stands}\n", look.paint(Paint::Strong, &title));
    let cause = &incident.cause;
    let step = cause.step.as_ref().map(|step| format!(", step {}", clean(step)));
    let _ = writeln!(
        text,
        "  {}{}: {}",
        clean(cause.region.as_str()),
        step.unwrap_or_default(),
        clean(&cause.error)
    );
    if let Some(it) = &cause.request {
        let arrow = look.sign("→", "->");
        let (method, url) = (clean(&it.method), clean(&it.url));
        let _ = writeln!(text, "  {method} {url} {arrow} {}", clean(&it.outcome()));
    }
    if story.reopened > 0 {
        let times = if story.reopened == 1 { "time" } else { "times" };
        let _ = writeln!(text, "  opened again {} {times}", story.reopened);
    }
    if let Some(it) = &story.acknowledged {
        let said = it.reason.as_ref().map(|reason| format!(": {}", clean(reason)));
        let by = clean(&it.by.to_string());
        let until = moment(it.until, look);
        let _ = writeln!(text, "  acknowledged by {by} until {until}{}", said.unwrap_or_default());
    }
    if !story.held.is_empty() {
        let tiers: Vec<String> = story.held.iter().map(u32::to_string).collect();
        let why = story.held_by.as_deref().unwrap_or("it is not known why");
        let _ = writeln!(text, "  held back: tier {}; {}", tiers.join(", "), clean(why));
    }
    if let Some(due) = incident.due_at.filter(|_| incident.resolved_at.is_none()) {
        let route = match &record.subject {
            Subject::Check(check) => {
                format!(" (`tripline route {}` shows the tiers)", clean(check.as_str()))
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "  looked at again {}{route}", moment(due, look));
    }
    look.folded(&text, 4)
}

/// The events with their times; the date stands where it changes.
fn lines(events: Vec<Event>, look: &Look) -> String {
    const WORD: usize = 14;
    const INDENT: usize = 10 + WORD;
    let mut text = String::new();
    let mut before = None;
    for event in events {
        let date = date(event.at, look);
        if before.as_ref() != Some(&date) {
            let _ = writeln!(text, "{}", look.paint(Paint::Faint, &date));
            before = Some(date);
        }
        let word = look.paint(event.paint, &padded(event.word, WORD));
        let line = format!("{}  {word}{}", look.time_of_day(event.at), event.text);
        text += &look.folded(&line, INDENT);
        text.push('\n');
    }
    text
}

fn date(at: Timestamp, look: &Look) -> String {
    match look.zone {
        Zone::Utc => at.format("%Y-%m-%d, UTC").to_string(),
        Zone::Local => at.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string(),
    }
}

fn moment(at: Timestamp, look: &Look) -> String {
    let day = match look.zone {
        Zone::Utc => at.format("%Y-%m-%d").to_string(),
        Zone::Local => at.with_timezone(&chrono::Local).format("%Y-%m-%d").to_string(),
    };
    format!("{day} {}", look.time_of_day(at))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::failed_request::FailedRequest;
    use crate::domain::id::{NotificationId, PersonId, Region};
    use crate::domain::incident::{Cause, Decision, Incident};
    use crate::domain::notice::{Notice, NoticeKind};
    use crate::domain::notification::Notification;
    use crate::domain::policy::Recipient;
    use crate::domain::proof::Word;
    use crate::domain::restraint::{Acknowledgement, Actor, Via};
    use crate::store::IncidentRecord;
    use crate::store::gathering::Stamps;
    use crate::store::succession::{Proof, Succession};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// An SMS to ana that was taken at its second attempt, was not delivered, and was told to bo instead.
    fn told(notice: Notice) -> NotificationRecord {
        let first = notice.at;
        let notification = Notification {
            id: NotificationId(1),
            incident: IncidentId(42),
            recipient: Recipient::Sms(PersonId::new("ana").expect("a name")),
            notice,
            first_word: true,
            owed_at: first,
            failures: 0,
            possible_repeat: false,
        };
        let tried = |at: Timestamp, outcome: &str, detail: &str| Delivery {
            started_at: at,
            ended_at: at,
            outcome: outcome.into(),
            detail: detail.into(),
            proof: None,
        };
        NotificationRecord {
            notification,
            state: NotificationState::GivenUp,
            due_at: first,
            reason: None,
            digest: None,
            stamps: Stamps::default(),
            deliveries: vec![
                tried(at("2026-11-20T23:59:51Z"), "retry", "429; again in 1.0 s"),
                Delivery {
                    proof: Some(Proof {
                        word: Word { status: Status::Undelivered, code: Some(30003) },
                        at: at("2026-11-20T23:59:58Z"),
                    }),
                    ..tried(at("2026-11-20T23:59:53Z"), "accepted", "SM1763697151000100")
                },
            ],
            succession: Some(Succession {
                at: at("2026-11-20T23:59:59Z"),
                sentence: "the SMS to ana did not arrive (not delivered: undelivered, 30003): bo \
                           is told by SMS instead"
                    .into(),
            }),
        }
    }

    /// What was owed to a rota, and to bo in its place.
    fn handed_on(notice: Notice) -> NotificationRecord {
        let told = told(notice);
        NotificationRecord {
            notification: Notification {
                recipient: Recipient::Rota("primary".into()),
                ..told.notification
            },
            state: NotificationState::HandedOn,
            reason: Some("bo is on duty (rota primary, layer 1)".into()),
            deliveries: Vec::new(),
            succession: None,
            ..told
        }
    }

    fn history() -> IncidentHistory {
        let region = Region::new("eu").expect("a name");
        let subject = Subject::Check(CheckId::new("login").expect("a name"));
        let (first, second) = (at("2026-11-20T23:59:50Z"), at("2026-11-21T00:00:20Z"));
        let error = "expected 200,\nreceived \u{1b}[31m503".to_owned();
        let request = FailedRequest {
            method: "POST".into(),
            url: "https://shop.example/login".into(),
            status: Some(503),
            error: None,
            took: Duration::from_millis(412),
        };
        let cause = Cause {
            step: Some("sign in".into()),
            request: Some(request),
            ..Cause::new(region.clone(), error)
        };
        let mut incident = Incident::opening(first, first, cause.clone());
        let by = Actor { name: "ana".into(), via: Via::Cli };
        let until = at("2026-11-21T01:00:00Z");
        incident.story.acknowledged = Some(Acknowledgement {
            by,
            reason: Some("on it".into()),
            at: first,
            until,
            taken_back: false,
        });
        incident.story.held = [2].into();
        incident.story.held_by = Some("acknowledged by ana (command line)".into());
        incident.due_at = Some(until);
        let notice = Notice {
            check_name: "Sign in".into(),
            error: cause.error,
            failures_in_a_row: 1,
            ..Notice::new(NoticeKind::Failing { tier: 1 }, subject.clone(), region, first)
        };
        let decision = |at, kind, reason: &str| (at, Decision { kind, reason: reason.into() });
        IncidentHistory {
            record: IncidentRecord { id: IncidentId(42), subject, incident },
            decisions: vec![
                decision(first, DecisionKind::Opened, "first failure in eu: tier 1"),
                decision(
                    at("2026-11-21T00:00:05Z"),
                    DecisionKind::Acknowledged,
                    "acknowledged by ana (command line) until 2026-11-21 01:00:00 UTC: on it",
                ),
                decision(second, DecisionKind::NotTold, "2 failures in a row, but nobody is told"),
            ],
            notifications: vec![told(notice.clone()), handed_on(notice)],
        }
    }

    #[test]
    fn a_trail_says_what_was_decided_sent_and_done() {
        insta::assert_snapshot!(trail(&history(), &[], &Look::plain(80)));
    }
}
