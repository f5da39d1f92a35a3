//! What the terminal or the log shows of a running daemon.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::diagnostics::{self, Style};
use super::live::Live;
use crate::app::witness::Witness;
use crate::clock::Clock;
use crate::config::{Diagnostic, Project};
use crate::domain::check::Check;
use crate::domain::incident::Change;
use crate::domain::notification::{Attempt, Notification, NotificationState, Settlement};
use crate::domain::run::{Outcome, Report};
use crate::notify::printed::{self, PrintedMessage};
use crate::store::Recorded;

/// Writes lines for people.
pub(super) struct Onlooker {
    live: Mutex<Live>,
    style: Style,
    clock: Arc<dyn Clock>,
}

impl Onlooker {
    /// Writes to standard output by `live`, and diagnostics in `style`.
    pub(super) fn new(live: Live, style: Style, clock: Arc<dyn Clock>) -> Self {
        Self { live: Mutex::new(live), style, clock }
    }

    /// Writes the line about what was folded, if anything was.
    pub(super) fn summarise(&self) {
        let now = self.clock.now();
        self.write(|live| live.summary(now).into_iter().collect());
    }

    fn write(&self, lines: impl FnOnce(&mut Live) -> Vec<String>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines(&mut live);
        if !lines.is_empty() {
            // A closed output is no reason to stop watching.
            let _ = writeln!(anstream::stdout(), "{}", live.folded(&lines.join("\n")));
        }
    }
}

impl Witness for Onlooker {
    fn recorded(&self, recorded: &Recorded, report: &Report) {
        let now = self.clock.now();
        self.write(|live| {
            let decisions = recorded.transition.decisions.iter();
            let decided = decisions
                .map(|it| live.decision(now, report.slot.check.as_str(), recorded.incident, it))
                .collect::<Vec<_>>();
            live.run(report).into_iter().chain(decided).collect()
        });
    }

    fn reviewed(&self, change: &Change) {
        let (now, name) = (self.clock.now(), change.subject.name());
        let incident = change.transition.incident.as_ref().and_then(|incident| incident.id);
        let decisions = change.transition.decisions.iter();
        self.write(|live| decisions.map(|it| live.decision(now, name, incident, it)).collect());
    }

    fn attempted(&self, notification: &Notification, attempt: &Attempt, settlement: &Settlement) {
        // A printed message was shown whole already.
        if attempt.detail() != printed::RECEIPT {
            let now = self.clock.now();
            self.write(|live| vec![live.attempt(now, notification, attempt, settlement)]);
        }
    }

    fn printed(&self, message: &PrintedMessage) {
        let now = self.clock.now();
        self.write(|live| vec![live.shown(now, &message.recipient, &message.text)]);
    }

    fn reloaded(&self, project: &Project) {
        let checks: Vec<Arc<Check>> = project.checks.values().cloned().collect();
        self.write(|live| {
            live.watch(&checks);
            Vec::new()
        });
        tracing::info!(checks = checks.len(), "the project was read again");
    }

    fn refused(&self, diagnostics: &[Diagnostic]) {
        let text = diagnostics::to_text(diagnostics, self.style);
        let _ = anstream::stderr().write_all(text.as_bytes());
        tracing::error!("the project has mistakes; the one before stays in force");
    }
}

/// Writes everything to the log, for machines.
pub(super) struct Recorder;

impl Witness for Recorder {
    fn recorded(&self, recorded: &Recorded, report: &Report) {
        let slot = &report.slot;
        let outcome = report.outcome();
        let millis = u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX);
        let incident = recorded.incident.map(|incident| incident.0);
        let reason = report.failure.as_ref().map(crate::domain::run::Failure::headline);
        let step = report.failure.as_ref().and_then(|failure| failure.step.as_deref());
        let (check, region) = (slot.check.as_str(), slot.region.as_str());
        let run = recorded.run.to_string();
        if outcome == Outcome::Passed {
            tracing::info!(
                event.action = "run",
                check,
                region,
                run,
                outcome = "passed",
                duration_ms = millis,
                "a run passed"
            );
        } else {
            let outcome = outcome.as_str();
            tracing::warn!(
                event.action = "run",
                check,
                region,
                run,
                outcome,
                duration_ms = millis,
                reason,
                step,
                "a run did not pass"
            );
        }
        for decision in &recorded.transition.decisions {
            let (kind, reason) = (decision.kind.as_str(), &decision.reason);
            tracing::info!(
                event.action = "decision",
                check,
                incident,
                decision = kind,
                reason,
                "a decision was made"
            );
        }
    }

    fn reviewed(&self, change: &Change) {
        let incident = change.transition.incident.as_ref().and_then(|incident| incident.id);
        let incident = incident.map(|id| id.0);
        let subject = change.subject.to_string();
        for decision in &change.transition.decisions {
            let (kind, reason) = (decision.kind.as_str(), &decision.reason);
            tracing::info!(
                event.action = "decision",
                subject,
                incident,
                decision = kind,
                reason,
                "a decision was made"
            );
        }
    }

    fn attempted(&self, notification: &Notification, attempt: &Attempt, settlement: &Settlement) {
        let recipient = notification.recipient.to_string();
        let incident = notification.incident.0;
        let (outcome, reason) = (attempt.as_str(), &settlement.reason);
        let notice = &notification.notice;
        let (check, kind) = (notice.subject.name(), notice.kind.as_str());
        // The level is part of what the macro writes down at compile time.
        macro_rules! tell {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    event.action = "delivery",
                    recipient,
                    incident,
                    check,
                    kind,
                    outcome,
                    reason,
                    $message
                )
            };
        }
        match settlement.state {
            NotificationState::Sent | NotificationState::InDigest => {
                tell!(info, "a message was sent");
            }
            NotificationState::GivenUp => tell!(error, "a message was given up"),
            NotificationState::Owed
            | NotificationState::Superseded
            | NotificationState::HandedOn => {
                tell!(warn, "a message was not sent yet");
            }
        }
    }

    fn printed(&self, message: &PrintedMessage) {
        let recipient = message.recipient.to_string();
        let (incident, text) = (message.incident.0, &message.text);
        tracing::info!(
            event.action = "would-be-sent",
            recipient,
            incident,
            text,
            "a message would have been sent; its channel has no credentials"
        );
    }

    fn reloaded(&self, project: &Project) {
        tracing::info!(
            event.action = "reload",
            checks = project.checks.len(),
            "the project was read again"
        );
    }

    fn refused(&self, diagnostics: &[Diagnostic]) {
        for it in diagnostics.iter().filter(|it| it.is_error()) {
            let (line, column) = it.position();
            let place = format!("{}:{line}:{column}", it.file);
            tracing::error!(
                event.action = "reload",
                place,
                reason = it.message,
                "the project has a mistake; the one before stays in force"
            );
        }
    }
}
