//! Arguments of `tripline token`.

use clap::{Args, Subcommand};

use crate::domain::id::{NameError, Region, validate_name};

/// Arguments of `tripline token`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Token {
    /// What to do with tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Make a token for the agents of a region; it is shown once
    Create {
        /// The region
        #[arg(long, value_name = "REGION", value_parser = Region::new)]
        region: Region,
        /// What to call it; the region's name if not given
        #[arg(long, value_name = "NAME", value_parser = token_name)]
        name: Option<String>,
    },
    /// List the tokens, without what is secret of them
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; from the next request on, nobody gets in with it
    Revoke {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Replace a token by a new one; the old one is good for another hour
    Rotate {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
}

fn token_name(text: &str) -> Result<String, NameError> {
    validate_name(text).map(|()| text.to_owned())
}
