//! How the program ends.

use std::process::ExitCode;

/// The exit codes; scripts and supervisors rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good = 0,
    /// Tripline itself failed: a bug, a full disk, a port in use.
    Broken = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The project has mistakes.
    ProjectInvalid = 3,
    /// A check, or the test of a rule, did not pass.
    CheckFailed = 4,
    /// A test message or a drill did not arrive.
    NotTold = 5,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Good,
        Self::Broken,
        Self::Usage,
        Self::ProjectInvalid,
        Self::CheckFailed,
        Self::NotTold,
    ];

    /// The code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, as the help says it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Good => "all is well",
            Self::Broken => "Tripline itself failed; please report it if it looks like a bug",
            Self::Usage => "the command line is wrong",
            Self::ProjectInvalid => "the project has mistakes",
            Self::CheckFailed => "a check, or the test of a rule, did not pass",
            Self::NotTold => "a test message or a drill did not arrive",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
