//! Who is who: sessions by the value of a cookie, and the token that a form must bring back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most sessions that are remembered; then the oldest is forgotten.
const MOST: usize = 1_000;

/// What is known of a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// What a form of this session must bring back.
    pub(super) form_token: String,
    /// Whether the visitor has signed in.
    pub(super) signed_in: bool,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    sessions: HashMap<String, Session>,
    oldest_first: VecDeque<String>,
}

impl Sessions {
    /// Opens a session and gives the value of its cookie with it.
    pub(super) fn open(&self, signed_in: bool) -> (String, Session) {
        let (id, session) = (token(), Session { form_token: token(), signed_in });
        let mut known = self.known();
        if known.oldest_first.len() >= MOST
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.sessions.remove(&oldest);
        }
        known.oldest_first.push_back(id.clone());
        known.sessions.insert(id.clone(), session.clone());
        (id, session)
    }

    /// The session of a cookie.
    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.known().sessions.get(id).cloned()
    }

    /// Forgets the session of a cookie.
    pub(super) fn close(&self, id: &str) {
        let mut known = self.known();
        known.sessions.remove(id);
        known.oldest_first.retain(|own| own != id);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 122 random bits.
fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_session_is_forgotten_first() {
        let sessions = Sessions::default();
        let (first, _) = sessions.open(false);
        let (second, _) = sessions.open(true);
        for _ in 2..MOST {
            sessions.open(false);
        }
        assert!(sessions.find(&first).is_some());
        sessions.open(false);
        assert!(sessions.find(&first).is_none());
        assert!(sessions.find(&second).is_some_and(|session| session.signed_in));
        sessions.close(&second);
        assert!(sessions.find(&second).is_none());
    }
}
