//! The heartbeat to a dead man's switch elsewhere: sent while everything works, withheld when it does not.
//!
//! | sign | everything works while |
//! |---|---|
//! | the store | it answers, takes results, and took the lease of whoever sends the heartbeat |
//! | the hub's loops | none is further behind than the health page allows |
//! | messages | none has been owed for longer than that allows, and none was given up in the last hour |
//! | paths | none refuses our credentials |
//! | agents | at least one lives and keeps its schedule |
//!
//! Whoever is told when a heartbeat is missing is told by others than us, so whatever keeps us from telling
//! people must keep it back.

use super::Timestamp;
use super::path::Breakage;

/// By what it is judged whether everything works.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signs {
    /// What is wrong with the store, the loops and the messages: sentences without a full stop.
    pub unwell: Vec<String>,
    /// The paths that refuse our credentials.
    pub broken: Vec<Breakage>,
    /// How many agents live and keep their schedules.
    pub agents: usize,
}

impl Signs {
    /// Why the heartbeat is withheld; nothing where it is not.
    pub fn reasons(&self) -> Vec<String> {
        let broken = self.broken.iter();
        let broken = broken.map(|it| format!("nothing can be sent by {}", it.path));
        let nobody = (self.agents == 0).then(|| "no agent runs checks".to_owned());
        self.unwell.iter().cloned().chain(broken).chain(nobody).collect()
    }
}

/// What became of the heartbeat, as this hub knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// When the last one was taken.
    pub last: Option<Timestamp>,
    /// Why it is withheld; empty while it is not.
    pub withheld: Vec<String>,
    /// Why the last one was not taken, where it was not.
    pub failure: Option<String>,
    /// Whether another hub sends it.
    pub is_elsewhere: bool,
}

/// What there is to say of a turn, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is withheld from now on.
    Withheld,
    /// It was not taken, for the first time.
    NotTaken,
    /// It is taken again.
    Taken,
}

impl Record {
    /// What is new after `before`. That other reasons keep it back is no news.
    pub fn news_after(&self, before: &Self) -> Option<News> {
        // Whoever leads says how it is.
        if self.is_elsewhere {
            return None;
        }
        let is_withheld = |it: &Self| !it.withheld.is_empty();
        match (is_withheld(self), is_withheld(before)) {
            (true, false) => return Some(News::Withheld),
            (true, true) => return None,
            _ => {}
        }
        match (&self.failure, &before.failure) {
            (Some(_), None) => Some(News::NotTaken),
            (Some(_), Some(_)) => None,
            (None, failure) => (is_withheld(before) || failure.is_some()).then_some(News::Taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::path::Path;
    use crate::domain::policy::Channel;

    #[test]
    fn each_sign_alone_keeps_it_back() {
        let well = Signs { agents: 1, ..Signs::default() };
        assert!(well.reasons().is_empty());
        let breakage = Breakage {
            path: Path::by(Channel::Slack),
            since: Timestamp::UNIX_EPOCH,
            reason: "token_revoked".into(),
        };
        for (signs, reason) in [
            (Signs { unwell: vec!["the store fails".into()], ..well.clone() }, "the store fails"),
            (Signs { broken: vec![breakage], ..well.clone() }, "nothing can be sent by slack"),
            (Signs { agents: 0, ..well }, "no agent runs checks"),
        ] {
            assert_eq!(signs.reasons(), [reason]);
        }
    }

    #[test]
    fn what_goes_on_is_said_once() {
        let well = Record { last: Some(Timestamp::UNIX_EPOCH), ..Record::default() };
        let held = Record { withheld: vec!["a".into()], ..well.clone() };
        let otherwise = Record { withheld: vec!["b".into()], ..well.clone() };
        let failed = Record { failure: Some("503".into()), ..well.clone() };
        for (before, now, news) in [
            (&well, &well, None),
            (&well, &held, Some(News::Withheld)),
            (&held, &otherwise, None),
            (&held, &failed, Some(News::NotTaken)),
            (&failed, &failed, None),
            (&failed, &held, Some(News::Withheld)),
            (&failed, &well, Some(News::Taken)),
            (&held, &well, Some(News::Taken)),
        ] {
            assert_eq!(now.news_after(before), news, "{before:?} {now:?}");
        }
    }
}
