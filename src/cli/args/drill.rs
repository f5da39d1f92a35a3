//! Arguments of `tripline drill`.

use std::time::Duration;

use clap::Args;

use super::time;

/// Arguments of `tripline drill`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Drill {
    /// Drill now, and wait for what comes of it
    #[arg(long)]
    pub now: bool,

    /// Only this path, such as `slack:#p1` or `sms:ana`; may be given several times
    #[arg(long = "path", value_name = "PATH")]
    pub paths: Vec<String>,

    /// How long to wait for what comes of it
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1m", requires = "now")]
    pub wait: Duration,

    /// Print the paths as JSON, as the API has them
    #[arg(long)]
    pub json: bool,

    /// The address of the daemon; as `tripline.toml` says if not given
    #[arg(long, value_name = "URL")]
    pub hub: Option<url::Url>,
}
