//! Arguments of `tripline rule`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::duration;

/// Arguments of `tripline rule`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RuleArguments {
    /// What to do with rules.
    #[command(subcommand)]
    pub command: RuleCommand,
}

/// What to do with rules.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum RuleCommand {
    /// List the rules, and how each stands
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a rule: the expression that it stands for, whom it tells, how it stands
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Run tests of rules, written as for promtool
    ///
    /// `rule_files` name files of rules in Prometheus' format, or the `tripline.toml` of a project. Ends
    /// with 4 if a test fails.
    Test {
        /// The files with the tests
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// Say when a rule would have been breached, and for how long
    ///
    /// Evaluates it over the points that are kept, at all times of its grid. Nobody is told.
    Replay {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// How far back to begin, such as `12h` or `30d`
        #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "30d")]
        since: Duration,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}
