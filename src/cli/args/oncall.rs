//! Arguments of `tripline oncall`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::duration;
use crate::domain::Timestamp;

/// Arguments of `tripline oncall`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct OncallArguments {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<OncallCommand>,
    /// What to show.
    #[command(flatten)]
    pub shown: Oncall,
}

/// What `tripline oncall` shows.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Oncall {
    /// The rota to show; all if none is named
    #[arg(value_name = "ROTA")]
    pub rota: Option<String>,

    /// Show the shifts of this person only, by the clocks where they live
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,

    /// From which moment on, such as `2026-11-21T04:00:00Z`; now if not given
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub at: Option<Timestamp>,

    /// How far to look ahead, such as `12h` or `14d`; at most 400 days
    #[arg(long = "for", value_name = "TIME", value_parser = ahead, default_value = "14d")]
    pub ahead: Duration,

    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// What else `tripline oncall` does.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum OncallCommand {
    /// Find holes in the next 30 days, people without a telephone number, and policies whose tiers
    /// all call the same person
    ///
    /// Ends with 3 if there are any.
    Lint {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

/// A moment of these centuries: what is farther away has no time zones that are known.
fn moment(text: &str) -> Result<Timestamp, String> {
    let at: Timestamp = text.parse().map_err(|error: chrono::ParseError| error.to_string())?;
    let is_near = (1970..2200).contains(&chrono::Datelike::year(&at));
    is_near.then_some(at).ok_or_else(|| "it must be between the years 1970 and 2199".to_owned())
}

fn ahead(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(400 * 24);
    let ahead = duration::parse(text).map_err(|error| error.to_string())?;
    let is_possible = !ahead.is_zero() && ahead <= LONGEST;
    is_possible.then_some(ahead).ok_or_else(|| "it must be more than 0 and at most 400d".to_owned())
}
