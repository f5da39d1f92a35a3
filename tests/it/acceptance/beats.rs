//! What the agents that the harness plays say of themselves.

use std::collections::HashMap;

use serde_json::{Value, json};
use tripline::domain::Timestamp;
use uuid::Uuid;

/// One agent a region, which is there until it is let go.
#[derive(Debug, Default)]
pub(super) struct Beats(HashMap<String, Agent>);

#[derive(Debug)]
struct Agent {
    instance: Uuid,
    is_there: bool,
}

impl Agent {
    fn new() -> Self {
        Self { instance: Uuid::new_v4(), is_there: true }
    }
}

impl Beats {
    /// Lets the agent of `region` come or go.
    pub(super) fn let_be(&mut self, region: &str, is_there: bool) {
        self.agent(region).is_there = is_there;
    }

    /// Whether it is heard of.
    pub(super) fn are_heard(&mut self, region: &str) -> bool {
        self.agent(region).is_there
    }

    /// What it says at `now`.
    pub(super) fn of(&mut self, region: &str, now: Timestamp) -> Value {
        let instance = self.agent(region).instance;
        json!({"region": region, "name": "one", "instance": instance, "sent_at": now})
    }

    fn agent(&mut self, region: &str) -> &mut Agent {
        self.0.entry(region.to_owned()).or_insert_with(Agent::new)
    }
}
