//! The agents of a scenario: what they report, and that they say that they live.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tripline::domain::Timestamp;
use tripline::domain::id::{CheckId, Region};
use tripline::domain::run::{Failure, FailureKind, Report, Request, Step, Timings, Trace};
use tripline::domain::slot::Slot;
use tripline::link::protocol::ReportMessage;
use url::form_urlencoded::Serializer;

use super::super::scenario::{Down, Odd, Silent, State, Up};
use super::super::setup::Watched;
use super::{PATIENCE, World};
use crate::support::wait::until_true;

impl World {
    /// Reports the slots of now.
    pub(super) async fn report_due(&mut self) {
        if self.now == self.start || self.daemon.is_none() {
            return;
        }
        let mut due: HashMap<String, Vec<Value>> = HashMap::new();
        let mut measured: Vec<(String, String)> = Vec::new();
        for check in self.setup.checks.iter().filter(|it| it.is_due(self.now)) {
            for region in &check.regions {
                let state = self.states.get(&(check.id.clone(), region.clone()));
                match state.copied().unwrap_or(Up) {
                    Silent => {}
                    state => {
                        let reports = due.entry(region.clone()).or_default();
                        reports.push(report(check, region, self.now, state));
                        if self.setup.has_rules() && matches!(state, Up | Down) {
                            measured.push((check.id.clone(), region.clone()));
                        }
                    }
                }
            }
        }
        let mut due: Vec<_> = due.into_iter().collect();
        due.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (region, reports) in due {
            self.send(&region, &reports).await;
        }
        for (check, region) in measured {
            self.measured(&check, &region).await;
        }
    }

    /// Sends reports as an agent of `region` would; all must be taken.
    pub(super) async fn send(&mut self, region: &str, reports: &[Value]) {
        let url = format!("{}/agent/v1/reports", self.daemon().url());
        let body = json!({"name": "one", "reports": reports});
        let token = self.token(region).await;
        let request = self.client.post(url).bearer_auth(token).json(&body);
        let answer = request.header("tripline-protocol", "1").send().await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                assert!(self.armed, "the daemon answers: {error}");
                let daemon = self.daemon.as_mut().expect("it is started");
                daemon.end().await;
                self.revive().await;
                // As an agent does whose reports nobody has acknowledged.
                return Box::pin(self.send(region, reports)).await;
            }
        };
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success(), "{status}: {text}");
        let verdict: Value = serde_json::from_str(&text).expect("JSON");
        let is_taken = verdict["refused"].as_array().is_none_or(Vec::is_empty)
            && verdict["later"].as_array().is_none_or(Vec::is_empty);
        assert!(is_taken, "{body}: {text}");
    }

    /// What agents of `region` prove themselves with.
    async fn token(&mut self, region: &str) -> String {
        if !self.tokens.contains_key(region) {
            let (code, token, words) =
                self.project.run(&["token", "create", "--region", region]).await;
            assert_eq!(code, Some(0), "{words}");
            self.tokens.insert(region.to_owned(), token.trim().to_owned());
        }
        self.tokens[region].clone()
    }

    /// Asks something as the agent `one` of `region`.
    pub(super) async fn ask_as_agent(
        &mut self,
        region: &str,
        what: &str,
        body: &Value,
    ) -> (StatusCode, String) {
        let url = format!("{}/agent/v1/{what}", self.daemon().url());
        let token = self.token(region).await;
        let request = self.client.post(url).bearer_auth(token).json(body);
        let answer = request.header("tripline-protocol", "1").send().await;
        let answer = answer.expect("the daemon answers");
        (answer.status(), answer.text().await.unwrap_or_default())
    }

    /// Lets agents say that they live.
    pub(super) async fn live(&mut self) {
        for region in self.setup.regions() {
            if self.beats.are_heard(&region) {
                let beat = self.beats.of(&region, self.now);
                let (status, text) = self.ask_as_agent(&region, "heartbeat", &beat).await;
                assert!(status.is_success(), "{region}: {status} {text}");
            }
        }
    }

    /// Waits until the points of a run of now are stored.
    async fn measured(&self, check: &str, region: &str) {
        let query =
            format!("timestamp(tripline_check_up{{check=\"{check}\",region=\"{region}\"}})");
        let time = (self.now.timestamp() + 1).to_string();
        let mut asked = Serializer::new(String::new());
        let asked = asked.append_pair("query", &query).append_pair("time", &time).finish();
        let url = format!("{}/api/v1/query?{asked}", self.daemon().url());
        until_true("the points of a run are stored", PATIENCE, async || {
            let answer = self.client.get(&url).send().await.expect("the daemon answers");
            let answer: Value = answer.json().await.expect("JSON");
            let latest = answer["data"]["result"][0]["value"][1]
                .as_str()
                .and_then(|it| it.parse::<f64>().ok());
            #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
            let slot = self.now.timestamp() as f64;
            latest.is_some_and(|latest| latest >= slot)
        })
        .await;
    }
}

/// What an agent says of a slot.
pub(super) fn report(check: &Watched, region: &str, slot: Timestamp, state: State) -> Value {
    let failed = Failure::new(FailureKind::Expectation, "expected 200, received 503");
    let failure = match state {
        Down => Some(Failure { step: check.step.clone(), ..failed }),
        Odd => Some(Failure::new(FailureKind::Overload, "the agent had no capacity")),
        Up | Silent => None,
    };
    let report = Report {
        slot: Slot {
            check: CheckId::new(&check.id).expect("a name"),
            region: Region::new(region).expect("a name"),
            at: slot,
        },
        started_at: slot,
        duration: Duration::from_millis(1),
        failure,
        trace: trace(check, state),
        clock_ahead: TimeDelta::zero(),
    };
    serde_json::to_value(ReportMessage::from(&report)).expect("it can be written")
}

/// What was done in a run that failed in a step.
fn trace(check: &Watched, state: State) -> Trace {
    let Some(name) = check.step.clone().filter(|_| matches!(state, Down)) else {
        return Trace::default();
    };
    let (start, duration) = (Duration::ZERO, Some(Duration::from_millis(412)));
    let error = Some("expected 200, received 503".to_owned());
    let request = Request {
        step: Some(0),
        start,
        method: "POST".into(),
        url: "https://app.example.com/session?from=/".into(),
        status: Some(503),
        remote: None,
        sent: 64,
        received: 512,
        timings: Timings { wait: duration, ..Timings::default() },
        certificate_until: None,
        error: None,
        exchange: None,
    };
    let step = Step { name, parent: None, start, duration, error };
    Trace { steps: vec![step], requests: vec![request], ..Trace::default() }
}
