//! Arguments of `tripline user`.

use clap::{Args, Subcommand};

/// Arguments of `tripline user`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct User {
    /// What to make.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to make for a user.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum UserCommand {
    /// Hash the password of a person, for `password_hash`
    ///
    /// The password is asked for, or read from standard input where that is no terminal.
    Hash,
    /// Make a token for a program, which is shown once, and its hash, for `token_hash`
    Token {
        /// Print both as JSON
        #[arg(long)]
        json: bool,
    },
}
