//! Rules and their breaches, as Prometheus shows alerting rules and alerts.
//!
//! A pending or breached label set is an alert that is `pending` or `firing`. All rules are one group;
//! rules that are evaluated at intervals of their own say so, which Prometheus' have not.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::dto::Time;
use super::asked::Asked;
use super::reply::{Fault, Reply};
use crate::domain::rule::state::{Standing, Track};
use crate::domain::rule::words::filling;
use crate::domain::rule::{LabelSet, Rule, RuleName, Template, words};
use crate::engine::rules::RuleSet;
use crate::engine::rules::snapshot::{RuleStatus, Snapshot};
use crate::store;
use crate::store::rules::Rules as Records;

/// The rules in force, and what is known of them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which there are.
    pub in_force: Arc<ArcSwap<RuleSet>>,
    /// How they stand.
    pub records: Arc<dyn Records>,
}

impl Rules {
    /// Whether there is such a rule.
    pub(in crate::http) fn knows(&self, name: &RuleName) -> bool {
        self.in_force.load().rules.iter().any(|it| it.rule.name == *name)
    }

    /// Whether all breaches of a rule have this label.
    pub(in crate::http) fn has_label(&self, name: &str, value: &str) -> bool {
        let has =
            |labels: &BTreeMap<String, String>| labels.get(name).is_some_and(|it| it == value);
        self.in_force.load().rules.iter().any(|it| has(&it.rule.fixed_labels()))
    }

    /// How all of them stand.
    pub(in crate::http) async fn snapshot(&self) -> Result<Snapshot, store::Error> {
        Ok(Snapshot::of(&self.in_force.load_full(), &self.records.rule_records().await?))
    }
}

/// Groups of rules.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Groups {
    groups: Vec<Group>,
}

/// Rules of one file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: &'static str,
    file: &'static str,
    rules: Vec<AlertingRule>,
    /// Seconds; the shortest of its rules.
    interval: f64,
    limit: u32,
    evaluation_time: f64,
    last_evaluation: Time,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AlertingRule {
    state: AlertState,
    name: String,
    query: String,
    /// For how many seconds the condition must hold.
    duration: f64,
    keep_firing_for: f64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    alerts: Vec<Alert>,
    health: RuleHealth,
    /// Why it cannot be evaluated, or what is missing; empty where nothing is wrong.
    last_error: String,
    evaluation_time: f64,
    last_evaluation: Time,
    #[serde(rename = "type")]
    kind: &'static str,
}

/// How an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AlertState {
    /// Nothing is beyond the threshold.
    Inactive,
    /// Something is, but not for long enough.
    Pending,
    /// Something is.
    Firing,
}

/// Whether a rule is evaluated.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RuleHealth {
    /// It was not yet, or has no data.
    Unknown,
    /// It is.
    Ok,
    /// It cannot be.
    Err,
}

/// Alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Alerts {
    alerts: Vec<Alert>,
}

/// A label set that is beyond the threshold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: AlertState,
    active_at: Time,
    value: String,
}

/// Rules
///
/// As in Prometheus.
#[utoipa::path(get, path = "/api/v1/rules", tag = "metrics", operation_id = "list_rules", params(
    ("type" = Option<String>, Query, description = "`alert`, or `record`, of which there are none."),
    ("rule_name[]" = Option<Vec<String>>, Query, description = "Only rules of these names."),
    ("exclude_alerts" = Option<bool>, Query, description = "Whether alerts are left out."),
), responses(
    (status = 200, description = "The rules.", body = Reply<Groups>),
    (status = 400, description = "The question makes no sense.", body = Fault),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn rules(
    State(api): State<Api>,
    asked: Asked,
) -> Result<Reply<Groups>, Fault> {
    let kind = asked.value("type").unwrap_or("alert");
    if !["alert", "record"].contains(&kind) {
        return Err(Fault::parameter("type", format!("not supported value {kind:?}")));
    }
    let (names, bare) =
        (asked.values("rule_name[]"), asked.value("exclude_alerts") == Some("true"));
    let snapshot = api.rules.snapshot().await?;
    let wanted = |it: &&RuleStatus| {
        kind == "alert" && (names.is_empty() || names.contains(&it.rule.name.as_str()))
    };
    let mut rules: Vec<AlertingRule> = snapshot.rules.iter().filter(wanted).map(shown).collect();
    for rule in rules.iter_mut().filter(|_| bare) {
        rule.alerts.clear();
    }
    let intervals = snapshot.rules.iter().map(|it| it.rule.interval.as_secs_f64());
    let group = Group {
        name: "rules",
        file: "tripline.toml",
        interval: intervals.fold(f64::INFINITY, f64::min),
        limit: 0,
        evaluation_time: 0.0,
        last_evaluation: Time(snapshot.until.unwrap_or_default()),
        rules,
    };
    let groups = if group.rules.is_empty() { Vec::new() } else { vec![group] };
    Ok(Reply::of(Groups { groups }))
}

/// Alerts
///
/// What is pending or breached. As in Prometheus.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "metrics", operation_id = "list_alerts", responses(
    (status = 200, description = "The alerts.", body = Reply<Alerts>),
    (status = 500, description = "The store failed.", body = Fault),
))]
pub(in crate::http) async fn alerts(State(api): State<Api>) -> Result<Reply<Alerts>, Fault> {
    let snapshot = api.rules.snapshot().await?;
    let alerts = snapshot.rules.iter().flat_map(|it| shown(it).alerts).collect();
    Ok(Reply::of(Alerts { alerts }))
}

fn shown(status: &RuleStatus) -> AlertingRule {
    let RuleStatus { rule, state, evaluated_at } = status;
    let alerts: Vec<Alert> =
        state.tracks.iter().map(|(labels, track)| alert(rule, labels, track)).collect();
    let texts = |templates: &BTreeMap<String, Template>| {
        templates.iter().map(|(name, it)| (name.clone(), it.text().to_owned())).collect()
    };
    let (health, missing) = match state.standing {
        Standing::Failing => (RuleHealth::Err, None),
        Standing::NoData if !state.missing.is_empty() => {
            (RuleHealth::Unknown, Some(format!("no data for {}", words::missing(state))))
        }
        Standing::New | Standing::NoData | Standing::NoHistory => {
            (RuleHealth::Unknown, Some(state.standing.in_words().to_owned()))
        }
        Standing::Ok | Standing::Pending | Standing::Breached => (RuleHealth::Ok, None),
    };
    AlertingRule {
        state: alerts.iter().map(|it| it.state).max().unwrap_or(AlertState::Inactive),
        name: rule.name.to_string(),
        query: rule.condition.expression(),
        duration: rule.hold.as_secs_f64(),
        keep_firing_for: rule.keep_firing_for.as_secs_f64(),
        labels: texts(&rule.labels),
        annotations: texts(&rule.annotations),
        alerts,
        health,
        last_error: state.error.clone().or(missing).unwrap_or_default(),
        evaluation_time: 0.0,
        last_evaluation: Time(evaluated_at.unwrap_or_default()),
        kind: "alerting",
    }
}

fn alert(rule: &Rule, labels: &LabelSet, track: &Track) -> Alert {
    let filling = filling(labels, track.value);
    let filled = |templates: &BTreeMap<String, Template>| -> BTreeMap<String, String> {
        templates.iter().map(|(name, it)| (name.clone(), it.render(filling))).collect()
    };
    let mut all: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    all.extend(filled(&rule.labels));
    all.insert("alertname".to_owned(), rule.name.to_string());
    Alert {
        labels: all,
        annotations: filled(&rule.annotations),
        state: if track.is_breached() { AlertState::Firing } else { AlertState::Pending },
        active_at: Time(track.since),
        value: crate::query::number(track.value),
    }
}
