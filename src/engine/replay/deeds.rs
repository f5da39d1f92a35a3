//! What people really did in the time that is replayed.
//!
//! | what they did | in the replay |
//! |---|---|
//! | acknowledged an incident of a check | its incident about that check, if one is open then, is acknowledged for as long |
//! | | one that opens later, while the real incident was still acknowledged, is acknowledged as soon as it has opened |
//! | took that back, resolved it, said something | done to the incident that is open then, if one is |
//! | asked that nobody be told | in force from then until it ended |

use std::collections::HashMap;

use crate::domain::Timestamp;
use crate::domain::after;
use crate::domain::id::{CheckId, IncidentId};
use crate::domain::incident::DecisionKind;
use crate::domain::incident::acting::Act;
use crate::domain::incident::retold::act_of;
use crate::domain::restraint::{Actor, Silence};
use crate::domain::subject::Subject;
use crate::store::DecisionRecord;

/// What people did, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Deeds {
    pub(super) all: Vec<(Timestamp, Deed)>,
    /// Who took care of what.
    pub(super) cares: HashMap<CheckId, Vec<Care>>,
}

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Deed {
    /// Something about the incident of a check.
    Act(CheckId, Actor, Act),
    /// A silence began.
    Silence(Silence),
    /// One ended.
    SilenceOver,
}

/// A time in which somebody took care of an incident about a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Care {
    pub(super) by: Actor,
    pub(super) reason: Option<String>,
    pub(super) from: Timestamp,
    /// When it ended: by itself, by somebody, or with the incident.
    pub(super) until: Timestamp,
    /// When it would have ended by itself.
    pub(super) meant_until: Timestamp,
}

impl Deeds {
    /// What `decisions` say of what people did about checks that fail, and `silences`.
    pub fn of(decisions: &[DecisionRecord], silences: &[Silence]) -> Self {
        let mut deeds = Self::default();
        let mut latest: HashMap<IncidentId, (&CheckId, Care)> = HashMap::new();
        for record in decisions {
            let (Subject::Check(check), Some(incident)) = (&record.subject, record.incident) else {
                continue;
            };
            let ends = matches!(
                record.decision.kind,
                DecisionKind::Acknowledged | DecisionKind::LeftAlone | DecisionKind::Resolved
            );
            if ends && let Some((_, care)) = latest.remove(&incident) {
                deeds.care(check, care, record.at);
            }
            let Some((actor, act)) = act_of(&record.decision, record.at) else { continue };
            if let Act::Acknowledge { reason, lasts } = &act {
                let until = after(record.at, lasts.unwrap_or_default());
                let (by, reason) = (actor.clone(), reason.clone());
                let care = Care { by, reason, from: record.at, until, meant_until: until };
                latest.insert(incident, (check, care));
            }
            deeds.all.push((record.at, Deed::Act(check.clone(), actor, act)));
        }
        for (check, care) in latest.into_values() {
            let until = care.until;
            deeds.care(check, care, until);
        }
        for silence in silences {
            deeds.all.push((silence.from, Deed::Silence(silence.clone())));
            deeds.all.push((silence.until, Deed::SilenceOver));
        }
        deeds.all.sort_by_key(|(at, _)| *at);
        deeds
    }

    fn care(&mut self, check: &CheckId, care: Care, ended: Timestamp) {
        let until = care.until.min(ended);
        self.cares.entry(check.clone()).or_default().push(Care { until, ..care });
    }

    /// Who takes care of `check` at `now`.
    pub(super) fn care_at(&self, check: &CheckId, now: Timestamp) -> Option<&Care> {
        let cares = self.cares.get(check)?;
        cares.iter().find(|care| care.from <= now && now < care.until)
    }
}
