//! Files and environment into validated domain values, or all diagnostics at once.
//!
//! Reading a project has two stages, because the options of a script are known only after the
//! script was evaluated, which is not done here:
//!
//! 1. [`Files::load`] reads all files, [`settings::read`] reads `tripline.toml`;
//! 2. someone evaluates each of [`Files::entries`] in a sealed process and says what came of it as
//!    a [`Script`]; [`Project::assemble`] reads the options and checks that all fits together.
//!
//! Invariants:
//! - no mistake hides another: every reader collects diagnostics and goes on;
//! - no clock and no environment is read here, the caller brings the environment;
//! - no script is parsed or evaluated here;
//! - no value of a secret is in a diagnostic.
//!
//! To add a section: a file in `settings/` with its struct and reader, a field in
//! [`settings::Settings`], a line in docs/configuration.md.

mod check;
pub mod diagnostic;
pub mod duration;
mod files;
mod project;
mod quoted;
pub mod reader;
pub mod rule_tests;
mod secret;
pub mod settings;
pub(crate) mod suggestion;
pub mod value;

pub use check::{Choice, Defaults, Draft};
pub use diagnostic::{Diagnostic, Severity};
pub use files::{Entry, Files, LARGEST_SCRIPT, NoProject, find_root};
pub use project::{Description, Mention, Project, Script};
pub use secret::{Environment, MissingSecrets, Part as SecretPart, Secret, parts as secret_parts};
pub use settings::Settings;
