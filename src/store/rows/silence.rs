//! Silences, as rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{check_id, from_json, region, story, timestamp, to_json, unreadable};
use crate::domain::id::{CheckId, Region};
use crate::domain::restraint::{Actor, Scope, Silence, SilenceId};
use crate::domain::rule::RuleName;
use crate::store::Error;

/// The columns of `silences`.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::store) struct SilenceRow {
    id: i64,
    scope: String,
    reason: String,
    by_name: String,
    by_way: String,
    from_at: i64,
    until_at: i64,
}

impl SilenceRow {
    /// Reads it.
    pub(in crate::store) fn read(self) -> Result<Silence, Error> {
        Ok(Silence {
            id: SilenceId(self.id),
            scope: scope(&self.scope)?,
            reason: self.reason,
            by: Actor { name: self.by_name, via: story::via(&self.by_way)? },
            from: timestamp(self.from_at)?,
            until: timestamp(self.until_at)?,
        })
    }
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct ScopeRow {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
}

/// The JSON of a scope.
pub(in crate::store) fn scope_text(scope: &Scope) -> String {
    to_json(&ScopeRow {
        checks: scope.checks.iter().map(CheckId::to_string).collect(),
        rules: scope.rules.iter().map(RuleName::to_string).collect(),
        regions: scope.regions.iter().map(Region::to_string).collect(),
        labels: scope.labels.clone(),
    })
}

fn scope(text: &str) -> Result<Scope, Error> {
    let row: ScopeRow = from_json("scope of a silence", text)?;
    let rule = |name: &String| {
        RuleName::new(name).map_err(|error| unreadable("rule", format!("`{name}`: {error}")))
    };
    Ok(Scope {
        checks: row.checks.iter().map(|it| check_id(it)).collect::<Result<BTreeSet<_>, _>>()?,
        rules: row.rules.iter().map(rule).collect::<Result<_, _>>()?,
        regions: row.regions.iter().map(|it| region(it)).collect::<Result<_, _>>()?,
        labels: row.labels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_comes_back_as_it_went() {
        let whole = Scope {
            checks: [CheckId::new("shop/login").expect("a name")].into(),
            rules: [RuleName::new("logins collapse").expect("a name")].into(),
            regions: [Region::new("eu").expect("a name")].into(),
            labels: [("team".to_owned(), "shop".to_owned())].into(),
        };
        for it in [whole, Scope::default()] {
            assert_eq!(scope(&scope_text(&it)).expect("readable"), it);
        }
    }
}
