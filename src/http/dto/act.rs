//! What people do about incidents, and what they asked not to be told of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, Via};
use crate::domain::restraint;

/// How whoever acts does it; the API itself if not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SentVia {
    /// By a request of their own.
    Api,
    /// In a terminal.
    Cli,
    /// On a page.
    Web,
}

impl From<SentVia> for restraint::Via {
    fn from(via: SentVia) -> Self {
        match via {
            SentVia::Api => Self::Api,
            SentVia::Cli => Self::Cli,
            SentVia::Web => Self::Web,
        }
    }
}

/// Somebody takes care of an incident.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// Who: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
    /// What they say: one line of at most 500 characters.
    pub reason: Option<String>,
    /// For how long, such as `1h`, from a minute to seven days; as the policy says if not given.
    #[serde(rename = "for")]
    pub lasts: Option<String>,
}

/// Somebody does not take care of an incident any more.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unacknowledge {
    /// Who: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
}

/// Somebody says that an incident is over.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// Who: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
    /// What they say: one line of at most 500 characters.
    pub reason: Option<String>,
}

/// Somebody says something about an incident.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Who: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
    /// What they say: one line of at most 500 characters.
    pub text: String,
}

/// Somebody asks that nobody be told of something for a while.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentSilence {
    /// Of these checks, or of `rules`.
    #[serde(default)]
    #[schema(required = false)]
    pub checks: Vec<String>,
    /// Of these rules, or of `checks`.
    #[serde(default)]
    #[schema(required = false)]
    pub rules: Vec<String>,
    /// Only of what is down in no other regions.
    #[serde(default)]
    #[schema(required = false)]
    pub regions: Vec<String>,
    /// Only of checks with all of these labels.
    #[serde(default)]
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// Of everything; then nothing of the above is named.
    #[serde(default)]
    #[schema(required = false)]
    pub everything: bool,
    /// Why: one line of at most 500 characters.
    pub reason: String,
    /// Who asks: one line of at most 100 characters. Must be given where nobody signs in; elsewhere it is
    /// whoever signed in, and this is not looked at.
    pub by: Option<String>,
    /// How.
    pub via: Option<SentVia>,
    /// For how long, such as `2h`; or else `until`. At most seven days.
    #[serde(rename = "for")]
    pub lasts: Option<String>,
    /// Until when (RFC 3339).
    pub until: Option<String>,
}

/// The silences that are not over.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Silences {
    /// The silences, by number.
    pub silences: Vec<Silence>,
}

/// People asked not to be told of something for a while.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// Of these checks, or of `rules`; of any where both are empty.
    pub checks: Vec<String>,
    /// Of these rules, or of `checks`.
    pub rules: Vec<String>,
    /// Only of what is down in no other regions.
    pub regions: Vec<String>,
    /// Only of checks or rules with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub by: String,
    /// How.
    pub via: Via,
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

impl From<&restraint::Silence> for Silence {
    fn from(silence: &restraint::Silence) -> Self {
        let scope = &silence.scope;
        Self {
            id: silence.id.0,
            checks: scope.checks.iter().map(ToString::to_string).collect(),
            rules: scope.rules.iter().map(ToString::to_string).collect(),
            regions: scope.regions.iter().map(ToString::to_string).collect(),
            labels: scope.labels.clone(),
            reason: silence.reason.clone(),
            by: silence.by.name.clone(),
            via: silence.by.via.into(),
            from: Time(silence.from),
            until: Time(silence.until),
        }
    }
}

/// Somebody takes care of an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// How they said so.
    pub via: Via,
    /// What they said.
    pub reason: Option<String>,
    /// When.
    pub at: Time,
    /// When it ends by itself.
    pub until: Time,
}

impl From<&restraint::Acknowledgement> for Acknowledgement {
    fn from(it: &restraint::Acknowledgement) -> Self {
        Self {
            by: it.by.name.clone(),
            via: it.by.via.into(),
            reason: it.reason.clone(),
            at: Time(it.at),
            until: Time(it.until),
        }
    }
}
