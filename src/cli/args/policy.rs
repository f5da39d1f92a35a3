//! Arguments of `tripline policy`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::duration;
use crate::domain::Timestamp;
use crate::domain::id::CheckId;

/// Arguments of `tripline policy`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct PolicyArguments {
    /// What to do with policies.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What to do with policies.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum PolicyCommand {
    /// Show whom the project would have told in the past, and compare that with who was told
    ///
    /// Takes the stored results through the policies of the project, or of an edited one: with its
    /// maintenance, quorum, labels and rotas, with the silences of then, and with the acknowledgements
    /// that people made. Nothing is stored and nobody is told. Can be used while `tripline up` runs.
    Replay(Replay),
}

/// Arguments of `tripline policy replay`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Replay {
    /// From when on: so long ago, such as `12h` or `30d`, or a moment such as `2026-11-21T04:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = When::read, default_value = "30d")]
    pub since: When,

    /// Until when, written likewise; now if not given
    #[arg(long, value_name = "TIME", value_parser = When::read)]
    pub until: Option<When>,

    /// Only this check; may be given several times
    #[arg(long = "check", value_name = "CHECK", value_parser = CheckId::new)]
    pub checks: Vec<CheckId>,

    /// Compare with this edited `tripline.toml`, or with the project in this folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// How many messages to list, the first ones; all are counted
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub limit: usize,

    /// How to print it
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    pub format: Form,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A moment of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl When {
    /// The moment, while it is `now`.
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => chrono::TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(Timestamp::UNIX_EPOCH)
                .max(Timestamp::UNIX_EPOCH),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        if let Ok(ago) = duration::parse(text) {
            return Ok(Self::Ago(ago));
        }
        let at: Result<Timestamp, _> = text.parse();
        let at = at.ok().filter(|at| (1970..2200).contains(&chrono::Datelike::year(at)));
        let hint = || "write it like `30d`, or like `2026-11-21T04:00:00Z`".to_owned();
        at.map(Self::At).ok_or_else(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_by_its_distance_or_by_itself() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().expect("a time");
        let moment = |text: &str| When::read(text).map(|when| when.moment(now).to_rfc3339());
        assert_eq!(moment("36h"), Ok("2026-11-20T12:00:00+00:00".into()));
        assert_eq!(moment("2026-11-01T01:00:00+01:00"), Ok("2026-11-01T00:00:00+00:00".into()));
        assert_eq!(moment("99999d"), Ok("1970-01-01T00:00:00+00:00".into()));
        assert!(moment("yesterday").is_err() && moment("9999-01-01T00:00:00Z").is_err());
    }
}
