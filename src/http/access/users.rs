//! The users in force, found by what they show.

use std::sync::Arc;

use ring::digest::{Context, SHA256};

use crate::config::settings::User;
use crate::link::token::same;
use crate::password::Hash;
use crate::store::agents::Digest;

/// A user, and the digest by which sessions know whether it is still the same.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) user: User,
    pub(super) stamp: Digest,
}

/// All users.
#[derive(Debug)]
pub(super) struct Users(Vec<Arc<Known>>);

impl Users {
    pub(super) fn new(users: Vec<User>) -> Self {
        let known = |user: User| Arc::new(Known { stamp: stamp(&user), user });
        Self(users.into_iter().map(known).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The user whose name that is; capitals do not matter.
    pub(super) fn named(&self, name: &str) -> Option<&Arc<Known>> {
        self.0.iter().find(|it| it.user.name.eq_ignore_ascii_case(name))
    }

    /// The user whose token has the digest. All are compared, so that the time says nothing about which it is.
    pub(super) fn with_token(&self, shown: &Digest) -> Option<&Arc<Known>> {
        let mut found = None;
        for known in &self.0 {
            if known.user.token.as_ref().is_some_and(|token| same(token, shown)) {
                found = Some(known);
            }
        }
        found
    }

    /// A hash to compare a password with where nobody has the name, so that the answer takes as long: always the
    /// same one for a name. None where nobody has a password.
    pub(super) fn decoy(&self, name: &Digest) -> Option<&Hash> {
        let hashes: Vec<&Hash> = self.0.iter().filter_map(|it| it.user.password.as_ref()).collect();
        let index = usize::from(name[0]).checked_rem(hashes.len())?;
        hashes.get(index).copied()
    }
}

/// The digest of all that a session of `user` depends on: name, role and password.
fn stamp(user: &User) -> Digest {
    let mut context = Context::new(&SHA256);
    let password = user.password.as_ref().map(Hash::expose).unwrap_or_default();
    for part in [user.name.as_str(), user.role.as_str(), &password] {
        // With its length, so that no two users look alike by where their parts begin.
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut stamp = [0; 32];
    stamp.copy_from_slice(context.finish().as_ref());
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::Role;

    fn user(name: &str, role: Role, token: Option<Digest>) -> User {
        User { name: name.into(), role, password: None, token }
    }

    #[test]
    fn users_are_found_by_what_they_show() {
        let ana = user("ana", Role::Operator, None);
        let robot = user("robot", Role::Viewer, Some([7; 32]));
        let users = Users::new(vec![ana, robot]);
        assert_eq!(users.named("Ana").map(|it| it.user.name.as_str()), Some("ana"));
        assert!(users.named("an").is_none());
        assert_eq!(users.with_token(&[7; 32]).map(|it| it.user.name.as_str()), Some("robot"));
        assert!(users.with_token(&[8; 32]).is_none());
        assert!(users.decoy(&[9; 32]).is_none(), "nobody has a password");
    }

    #[test]
    fn a_session_depends_on_name_role_and_password() {
        let before = stamp(&user("ana", Role::Operator, None));
        assert_eq!(before, stamp(&user("ana", Role::Operator, Some([1; 32]))));
        assert_ne!(before, stamp(&user("ana", Role::Viewer, None)));
        assert_ne!(before, stamp(&user("anao", Role::Operator, None)));
        let password = Some(Hash::of("correct horse").expect("made"));
        assert_ne!(before, stamp(&User { password, ..user("ana", Role::Operator, None) }));
    }
}
