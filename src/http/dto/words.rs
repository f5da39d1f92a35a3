//! The words of the API, each from a fixed list. A test holds that they are the domain's words.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{coverage, incident, notice, notification, policy, restraint, run};

/// Defines the serialisable twin of a domain enumeration with the same variants.
macro_rules! twin {
    ($(#[$doc:meta])* $name:ident of $domain:path { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                use $domain as Domain;
                match value { $(Domain::$variant { .. } => Self::$variant,)* }
            }
        }
    };
}

twin! {
    /// How a run ended. `unknown` is our own fault: neither a failure nor a success.
    Outcome of run::Outcome {
        /// All that was expected was seen.
        Passed,
        /// The target did not do what was expected.
        Failed,
        /// We could not tell.
        Unknown,
    }
}

twin! {
    /// Why slots have no run.
    GapReason of coverage::GapReason {
        /// No hub was running.
        HubDown,
        /// No agent of the region was in touch.
        AgentLost,
        /// The check was changed or taken out as the slot came due.
        ProjectChanged,
        /// The check was switched off; its slots are not expected.
        Paused,
        /// The machine slept, its clock was set, it was too busy to keep the schedule, or the result
        /// was dropped for want of room.
        Stalled,
    }
}

twin! {
    /// How somebody does something.
    Via of restraint::Via {
        /// By a button in Slack.
        Slack,
        /// By answering an SMS.
        Sms,
        /// On a page.
        Web,
        /// In a terminal.
        Cli,
        /// By a request to the API.
        Api,
    }
}

twin! {
    /// What sort of failure.
    FailureKind of run::FailureKind {
        /// An expectation was not met.
        Expectation,
        /// The script threw something else.
        Exception,
        /// The target could not be reached.
        Network,
        /// Still going at the deadline.
        Timeout,
        /// The script ran into a limit of the sandbox.
        Limit,
        /// The script is not valid.
        Script,
        /// The script's process ended in a way that is no answer.
        Crashed,
        /// The previous run was still going.
        Overlap,
        /// No capacity in time.
        Overload,
        /// The agent was stopped.
        Interrupted,
        /// The agent could not do its part.
        Agent,
        /// None of the region's control targets answered either.
        CutOff,
    }
}

twin! {
    /// The level of a console line.
    LogLevel of run::LogLevel {
        /// `console.debug`
        Debug,
        /// `console.log` and `console.info`
        Info,
        /// `console.warn`
        Warn,
        /// `console.error`
        Error,
    }
}

twin! {
    /// What was decided about an incident.
    DecisionKind of incident::DecisionKind {
        /// It was opened.
        Opened,
        /// A further tier was reached.
        Escalated,
        /// It was resolved.
        Resolved,
        /// A failure did not lead to a message.
        NotTold,
        /// A result changed nothing.
        Ignored,
        /// What was resolved a while ago fails again, and is the same incident.
        Reopened,
        /// People were told once more, with no further tier reached.
        Reminded,
        /// Somebody takes care of it.
        Acknowledged,
        /// Nobody does any more.
        LeftAlone,
        /// Somebody said something about it, or asked that nobody be told.
        Noted,
    }
}

twin! {
    /// What a notification says.
    NoticeKind of notice::NoticeKind {
        /// The check is failing.
        Failing,
        /// Nobody knows how the check is doing, or any check of the region.
        Blind,
        /// What was wrong is over.
        Recovered,
        /// What was wrong is taken as over because its data are gone: nobody saw it end.
        Lost,
        /// The check was taken out of the project while that was so.
        Withdrawn,
        /// Somebody says that it is over.
        Closed,
        /// Somebody takes care of it.
        Acknowledged,
        /// Somebody said something about it, or asked that nobody be told.
        Noted,
        /// Nothing: it shows that messages arrive.
        Drill,
    }
}

twin! {
    /// Where a notification stands.
    NotificationState of notification::NotificationState {
        /// Still to be sent.
        Owed,
        /// Accepted by the channel's provider, or printed where there are no credentials.
        Sent,
        /// Not sent, and not tried again.
        GivenUp,
        /// A later message says it too.
        Superseded,
        /// It was owed to a rota, and is owed to people in its place.
        HandedOn,
        /// Told in a digest, which was the message of another notification.
        InDigest,
    }
}

twin! {
    /// A way to tell people.
    Channel of policy::Channel {
        /// Slack.
        Slack,
        /// SMS.
        Sms,
        /// Whoever of a rota is on duty when the message leaves, by SMS.
        Rota,
        /// E-mail.
        Email,
        /// Whoever of a rota is on duty when the message leaves, by e-mail.
        EmailRota,
        /// A webhook.
        Webhook,
        /// PagerDuty.
        Pagerduty,
    }
}

/// What came of one attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The provider took it.
    Accepted,
    /// It did not leave or was refused for now.
    Retry,
    /// It may have arrived.
    Ambiguous,
    /// It will not work however often it is tried.
    GivenUp,
    /// Nothing works by the channel until somebody sets it right.
    Broken,
}

impl DeliveryOutcome {
    /// Reads the store's word; one that is not known says least: it may have arrived.
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "accepted" => Self::Accepted,
            "retry" => Self::Retry,
            "given_up" => Self::GivenUp,
            "broken" => Self::Broken,
            _ => Self::Ambiguous,
        }
    }
}

/// Whether a check, or a region of it, works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It has not run yet.
    NeverRun,
    /// The last run passed.
    Up,
    /// The last run was unknown, and the region was not down before.
    Unknown,
    /// It failed and has not passed often enough since.
    Down,
}

/// Whether an incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Not over.
    Open,
    /// Over.
    Resolved,
}

/// Whether Tripline itself works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It does.
    Healthy,
    /// It watches, but somebody was to be told and was not, or an agent does not keep its schedule or
    /// has a wrong clock; `reasons` says more.
    Degraded,
    /// It does not; `reasons` says why.
    Unhealthy,
}

/// What a run of a check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Runs a script.
    Script,
    /// Makes one request.
    Request,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::incident::DecisionKind as Decided;
    use crate::domain::notice::NoticeKind as Said;
    use crate::domain::notification::Attempt;

    fn assert_word(twin: impl Serialize, word: &str) {
        assert_eq!(serde_json::to_value(twin).expect("a word"), word);
    }

    #[test]
    fn the_words_are_the_domains() {
        for outcome in [run::Outcome::Passed, run::Outcome::Failed, run::Outcome::Unknown] {
            assert_word(Outcome::from(outcome), outcome.as_str());
        }
        for kind in run::FailureKind::ALL {
            assert_word(FailureKind::from(kind), kind.as_str());
        }
        for level in
            [run::LogLevel::Debug, run::LogLevel::Info, run::LogLevel::Warn, run::LogLevel::Error]
        {
            assert_word(LogLevel::from(level), level.as_str());
        }
        for kind in Decided::ALL {
            assert_word(DecisionKind::from(kind), kind.as_str());
        }
        for kind in [
            Said::Failing { tier: 1 },
            Said::Blind,
            Said::Recovered,
            Said::Lost,
            Said::Withdrawn,
            Said::Closed,
            Said::Acknowledged,
            Said::Noted,
            Said::Drill,
        ] {
            assert_word(NoticeKind::from(kind), kind.as_str());
        }
        for state in notification::NotificationState::ALL {
            assert_word(NotificationState::from(state), state.as_str());
        }
        for via in restraint::Via::ALL {
            assert_word(Via::from(via), via.as_str());
        }
        for channel in policy::Channel::ALL {
            assert_word(Channel::from(channel), channel.as_str());
        }
    }

    #[test]
    fn every_attempt_has_its_word() {
        let reason = String::new;
        for attempt in [
            Attempt::Accepted { receipt: reason() },
            Attempt::Retry { reason: reason(), after: None },
            Attempt::Ambiguous { reason: reason() },
            Attempt::GiveUp { reason: reason() },
            Attempt::Broken { reason: reason() },
        ] {
            assert_word(DeliveryOutcome::from_word(attempt.as_str()), attempt.as_str());
        }
    }
}
