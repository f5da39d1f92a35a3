//! What is run by hand, by an agent that the scenario plays.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::scenario::State;
use super::agents::report;
use super::{PATIENCE, World};
use crate::support::wait::{throughout, until_true};

/// For so long nothing is offered where nothing is to be.
const A_WHILE: Duration = Duration::from_secs(2);

impl World {
    /// What an agent of `region` is given that asks for what is to be run at once.
    async fn offered(&mut self, region: &str) -> Vec<Value> {
        let body = json!({"name": "one", "most": 9});
        let (status, answer) = self.ask_as_agent(region, "errands", &body).await;
        assert!(status.is_success(), "{status}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        answer["errands"].as_array().cloned().unwrap_or_default()
    }

    /// Takes what is to be run at once in `region`, when it is offered; none, where there is none.
    pub(super) async fn take(&mut self, region: &str, legs: usize) {
        if legs == 0 {
            let nothing = async || self.offered(region).await.is_empty();
            return throughout("nothing is offered", A_WHILE, nothing).await;
        }
        let mut taken = Vec::new();
        until_true("it is offered", PATIENCE, async || {
            taken.extend(self.offered(region).await);
            taken.len() >= legs
        })
        .await;
        assert_eq!(taken.len(), legs, "{taken:?}");
        if let Some(last) = taken.last() {
            let id = last["id"].as_str().expect("an id").to_owned();
            let asked_at = last["asked_at"].as_str().expect("a time").parse().expect("a time");
            self.errand = Some((id, asked_at));
        }
    }

    /// Brings what came of what was taken last.
    pub(super) async fn bring(&mut self, check: &str, region: &str, state: State) {
        let (id, asked_at) = self.errand.clone().expect("it was taken");
        let report = report(self.setup.check(check), region, asked_at, state);
        let body = json!({"name": "one", "report": report});
        let (status, answer) = self.ask_as_agent(region, &format!("errands/{id}"), &body).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }
}
