//! The small world as a test would have it: larger, worse, or told of by other messages.

use chrono::TimeDelta;

use super::super::now;
use super::Remembered;
use crate::domain::check::Check;
use crate::domain::id::NotificationId;
use crate::domain::incident::{CheckState, Decision, DecisionKind};
use crate::domain::notification::NotificationState;
use crate::domain::policy::Recipient;
use crate::domain::run::Outcome;
use crate::domain::streak::Streak;
use crate::store::NotificationRecord;

impl Remembered {
    /// The login is down wherever it runs.
    pub(in crate::http) fn down_everywhere(&mut self) {
        let streaks = self.states.values_mut().flat_map(|state| state.streaks.values_mut());
        streaks.for_each(|streak| streak.down = true);
    }

    /// `check` has just passed in each of its regions.
    pub(in crate::http) fn passes(&mut self, check: &Check) {
        let streak = Streak::default().counting(Outcome::Passed, now(), 1);
        let streaks = check.regions.iter().map(|region| (region.clone(), streak.clone())).collect();
        let state = CheckState { streaks, incident: None, closed: None };
        self.states.insert(check.id.clone(), state);
    }

    /// The login ran in Europe every second, so many times.
    pub(in crate::http) fn runs_often(&mut self, times: u32) {
        let Some(first) = self.reports.first().cloned() else { return };
        self.reports = (0..times)
            .map(|number| {
                let mut report = first.clone();
                report.slot.at -= TimeDelta::seconds(number.into());
                report
            })
            .collect();
    }

    /// Somebody else is owed the same, and how that stands; where something came of it, that is `detail`.
    pub(in crate::http) fn tells(
        &mut self,
        recipient: Recipient,
        state: NotificationState,
        detail: Option<&str>,
    ) {
        let Some(mut record) = self.history.notifications.first().cloned() else { return };
        let number = i64::try_from(self.history.notifications.len()).expect("few");
        record.notification.id = NotificationId(100 + number);
        record.notification.recipient = recipient;
        record.state = state;
        record.deliveries.truncate(usize::from(detail.is_some()));
        for delivery in &mut record.deliveries {
            "accepted".clone_into(&mut delivery.outcome);
            detail.unwrap_or_default().clone_into(&mut delivery.detail);
        }
        self.history.notifications.push(NotificationRecord { reason: None, ..record });
    }

    /// It was decided so many times to tell nobody.
    pub(in crate::http) fn tells_nobody(&mut self, times: usize) {
        let reason = |number| format!("failed 1 in a row in region {number}");
        let decision = |number| Decision { kind: DecisionKind::NotTold, reason: reason(number) };
        self.history.decisions.extend((0..times).map(|number| (now(), decision(number))));
    }
}
