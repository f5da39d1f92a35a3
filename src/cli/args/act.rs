//! Arguments of what people do about incidents, and of what shows why somebody was told.

use std::time::Duration;

use clap::{ArgGroup, Args};

use super::time;

/// Who does it, and where.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Acting {
    /// Who does it; the user of this machine if not given
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// The address of the daemon; as `tripline.toml` says if not given
    #[arg(long, value_name = "URL")]
    pub hub: Option<url::Url>,
}

/// Arguments of `tripline ack`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["incident", "all"])))]
pub struct Ack {
    /// The number of the incident, as messages have it
    #[arg(value_name = "INCIDENT", value_parser = incident)]
    pub incident: Option<i64>,

    /// All that are open and that nobody has acknowledged
    #[arg(long)]
    pub all: bool,

    /// Which of all.
    #[command(flatten)]
    pub chosen: Chosen,

    /// Do not ask whether these are meant
    #[arg(long, requires = "all", conflicts_with = "incident")]
    pub yes: bool,

    /// For how long, such as `1h`; as the policy says if not given
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub lasts: Option<Duration>,

    /// What to say about it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Who does it, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Which of all incidents are meant: those that fit all that is named.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Chosen {
    /// Of all, only those about this check; may be given several times, as the following
    #[arg(long = "check", value_name = "CHECK", requires = "all", conflicts_with = "incident")]
    pub checks: Vec<String>,

    /// Of all, only those that last failed in this region
    #[arg(long = "region", value_name = "REGION", requires = "all", conflicts_with = "incident")]
    pub regions: Vec<String>,

    /// Of all, only those about checks with this label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label, requires = "all",
        conflicts_with = "incident")]
    pub labels: Vec<(String, String)>,
}

/// Arguments of `tripline unack`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Unack {
    /// The number of the incident
    #[arg(value_name = "INCIDENT", value_parser = incident)]
    pub incident: i64,

    /// Who does it, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Arguments of `tripline resolve`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Resolve {
    /// The number of the incident
    #[arg(value_name = "INCIDENT", value_parser = incident)]
    pub incident: i64,

    /// What to say about it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Who does it, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Arguments of `tripline note`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Note {
    /// The number of the incident
    #[arg(value_name = "INCIDENT", value_parser = incident)]
    pub incident: i64,

    /// What to say
    #[arg(value_name = "TEXT")]
    pub text: String,

    /// Who does it, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Arguments of `tripline run-now`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct RunNow {
    /// The id of the check
    #[arg(value_name = "CHECK")]
    pub check: String,

    /// Only in this region; in all of the check if not given
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,

    /// Print what came of it as JSON, when all has ended
    #[arg(long)]
    pub json: bool,

    /// Who asks, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Arguments of `tripline silence`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group(ArgGroup::new("scope").required(true).multiple(true)
    .args(["checks", "rules", "regions", "labels", "everything"])))]
pub struct Silence {
    /// Of this check; may be given several times, as the following
    #[arg(long = "check", value_name = "CHECK")]
    pub checks: Vec<String>,

    /// Of this rule
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,

    /// Only of what is down nowhere but in this region
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,

    /// Only of checks with this label
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// Of everything
    #[arg(long, conflicts_with_all = ["checks", "rules", "regions", "labels"])]
    pub everything: bool,

    /// For how long, such as `2h`; at most seven days
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub lasts: Duration,

    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Who does it, and where.
    #[command(flatten)]
    pub acting: Acting,
}

/// Arguments of `tripline silences`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Silences {
    /// The address of the daemon; as `tripline.toml` says if not given
    #[arg(long, value_name = "URL")]
    pub hub: Option<url::Url>,
}

/// Arguments of `tripline unsilence`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Unsilence {
    /// The number of the silence
    #[arg(value_name = "ID")]
    pub id: i64,

    /// The address of the daemon; as `tripline.toml` says if not given
    #[arg(long, value_name = "URL")]
    pub hub: Option<url::Url>,
}

/// Arguments of `tripline why`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Why {
    /// The number of an incident, or the id of a check: its last incident
    #[arg(value_name = "INCIDENT|CHECK")]
    pub about: String,
}

/// Arguments of `tripline route`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Route {
    /// The id of the check
    #[arg(value_name = "CHECK")]
    pub check: String,
}

/// The number of an incident, as people copy it from a message.
pub(in crate::cli) fn incident(text: &str) -> Result<i64, String> {
    let number = text.strip_prefix('#').unwrap_or(text);
    number.parse().map_err(|_| "the number of an incident, such as 42".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it like `team=shop`")?;
    Ok((name.to_owned(), value.to_owned()))
}
