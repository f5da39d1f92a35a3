//! Who may do what.
//!
//! | role | see | act | measure |
//! |---|---|---|---|
//! | viewer | yes | no | no |
//! | operator | yes | yes | yes |
//!
//! To see is to read all that is shown of checks, runs, incidents and metrics. To act is to change what happens:
//! acknowledge, silence, resolve, note, have a check run, drill. To measure is to bring metrics.

/// What somebody may do once it is known who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything and changes nothing.
    Viewer,
    /// Sees everything, and acts.
    Operator,
}

/// What may be asked of somebody's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To see what is known.
    See,
    /// To change what happens.
    Act,
    /// To bring metrics.
    Measure,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 2] = [Self::Viewer, Self::Operator];

    /// The word in the project.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    /// Whether whoever has the role has the right.
    pub fn has(self, right: Right) -> bool {
        match (self, right) {
            (_, Right::See) | (Self::Operator, Right::Act | Right::Measure) => true,
            (Self::Viewer, Right::Act | Right::Measure) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_act_and_viewers_do_not() {
        let rights =
            |role: Role| [Right::See, Right::Act, Right::Measure].map(|right| role.has(right));
        assert_eq!(Role::ALL.map(rights), [[true, false, false], [true, true, true]]);
    }
}
