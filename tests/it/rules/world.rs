//! Hubs that evaluate the rules of a project over series in memory, at times that the test brings.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::TimeDelta;
use tempfile::TempDir;
use tripline::app::rules::rule_set;
use tripline::clock::{Clock, Halt, Manual};
use tripline::config::{Environment, Files, MissingSecrets, settings};
use tripline::domain::Timestamp;
use tripline::domain::incident::Change;
use tripline::domain::policy::{Channel, Roster};
use tripline::engine::deliveries::{self, Attempted, Contacts, Lane};
use tripline::engine::judge::{ProjectJudge, Rulebook};
use tripline::engine::rules::{Observer, Rounds, RuleSet};
use tripline::notify::slack::{self, Slack};
use tripline::store::sqlite::{Holder, SqliteStore};
use tripline::store::{IncidentFilter, Ledger, Store};

use crate::support::series::Memory;
use crate::support::slack::{FakeSlack, TOKEN};

/// The rules that a `tripline.toml` has.
pub(super) fn rules(text: &str) -> RuleSet {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tripline.toml"), text).expect("written");
    rules_in(folder.path())
}

fn rules_in(folder: &Path) -> RuleSet {
    let environment =
        Environment { missing_secrets: MissingSecrets::Warn, ..Environment::default() };
    let (settings, diagnostics) = settings::read(&Files::load(folder), &environment);
    let wrong: Vec<_> = diagnostics.iter().filter(|it| it.is_error()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    rule_set(&settings.expect("settings")).expect("ready")
}

/// 02:00 of a day, and so many minutes.
pub(super) fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T02:00:00Z".parse().expect("a time");
    start + TimeDelta::minutes(minute)
}

/// What was decided, by subject: `opened rule:logins`.
#[derive(Debug, Default)]
pub(super) struct Decided(Mutex<Vec<String>>);

impl Observer for Decided {
    fn on_evaluated(&self, changes: &[Change]) {
        let words = changes.iter().flat_map(|Change { subject, transition }| {
            transition.decisions.iter().map(move |it| format!("{} {subject}", it.kind.as_str()))
        });
        self.0.lock().expect("not poisoned").extend(words);
    }
}

/// A store, series, and hubs that share both.
pub(super) struct World {
    _folder: TempDir,
    pub(super) store: Arc<dyn Ledger>,
    pub(super) metrics: Arc<Memory>,
    pub(super) time: Arc<Manual>,
    pub(super) rules: Arc<ArcSwap<RuleSet>>,
    pub(super) decided: Arc<Decided>,
}

impl World {
    pub(super) async fn new(rules: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = Holder { command: "a test".into(), since: at(0) };
        let store = SqliteStore::open(&folder.path().join("t.db"), &holder).await;
        Self::on(Arc::new(store.expect("opened")), folder, rules)
    }

    pub(super) fn on(store: Arc<dyn Ledger>, folder: TempDir, rules: &str) -> Self {
        Self {
            _folder: folder,
            store,
            metrics: Arc::default(),
            time: Arc::new(Manual::new(at(0))),
            rules: Arc::new(ArcSwap::from_pointee(self::rules(rules))),
            decided: Arc::default(),
        }
    }

    pub(super) fn hub(&self, holder: &str) -> Rounds {
        self.hub_on(Arc::clone(&self.store), holder)
    }

    pub(super) fn hub_on(&self, store: Arc<dyn Ledger>, holder: &str) -> Rounds {
        Rounds::new(
            (store, self.metrics.clone()),
            (Arc::clone(&self.rules), Arc::new(ProjectJudge::new(Rulebook::default()))),
            self.time.clone(),
            self.decided.clone(),
            holder.into(),
        )
    }

    /// Lets `hub` evaluate all that is due now.
    pub(super) async fn catch_up(&self, hub: &mut Rounds) {
        while hub.tick(self.time.now()).await.expect("evaluated") {}
    }

    /// Lets time pass until `minute`, with a look every 15 seconds.
    pub(super) async fn until(&self, hub: &mut Rounds, minute: i64) {
        while self.time.now() < at(minute) {
            self.time.advance(Duration::from_secs(15));
            self.catch_up(hub).await;
        }
    }

    pub(super) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.decided.0.lock().expect("not poisoned"))
    }

    /// A counter that grows by `a_minute` from minute `from` to minute `to`, a point every minute.
    pub(super) fn count(
        &self,
        labels: &[(&str, &str)],
        (from, to): (i64, i64),
        a_minute: impl Fn(i64) -> f64,
    ) {
        let mut total = 0.0;
        for minute in from..=to {
            total += a_minute(minute);
            self.metrics.add(labels, at(minute), total);
        }
    }

    /// `since` and whether it is over, of each incident, the earliest first.
    pub(super) async fn incidents(&self) -> Vec<String> {
        let filter = IncidentFilter { limit: 100, ..IncidentFilter::default() };
        let mut records = self.store.incidents(&filter).await.expect("listed");
        records.reverse();
        let word = |resolved: bool| if resolved { "resolved" } else { "open" };
        let told = records.into_iter().map(|it| {
            let state = word(it.incident.resolved_at.is_some());
            format!("{} since {} {state}", it.subject, it.incident.since.format("%H:%M:%S"))
        });
        told.collect()
    }

    /// Sends what is owed to a Slack that takes everything; the texts that arrived in `#p2`.
    pub(super) async fn told(&self, messages: usize) -> Vec<String> {
        // An error means that another test of this process installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let fake = FakeSlack::slack().await;
        let api_url = fake.api_url();
        let access =
            slack::Access { api_url: &api_url, bot_token: Some(TOKEN), ..slack::Access::default() };
        let transport = Arc::new(Slack::new(&access).expect("a good address"));
        let roster = Roster::default();
        let parts = deliveries::Parts {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            transport,
            contacts: Arc::new(Contacts::new(roster, |_| None)),
            observer: Arc::new(Nobody),
            clock: self.time.clone(),
        };
        let halt = Halt::new();
        let lane = tokio::spawn(Lane::new(Channel::Slack, parts).run(halt.clone()));
        let arrived = tokio::time::timeout(Duration::from_secs(30), fake.arrived(messages)).await;
        assert!(arrived.is_ok(), "only {:?} arrived", fake.texts("#p2"));
        halt.ask();
        lane.await.expect("the lane ends");
        fake.texts("#p2")
    }
}

/// Looks on and does nothing.
#[derive(Debug)]
struct Nobody;

impl deliveries::Observer for Nobody {
    fn on_attempt(&self, _: &Attempted<'_>) {}
}
