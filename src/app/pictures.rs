//! Pictures beside messages: who draws them, and by which way they are shown.

use std::sync::{Arc, Mutex};

use super::works::Works;
use crate::domain::policy::Channel;
use crate::engine::pictures::Illustrator;
use crate::http::Api;
use crate::store::Ledger;
use crate::store::pictures::Pictures;

/// Has pictures shown from now on, until the works end.
pub(super) fn begin(works: &Works, store: &Arc<dyn Ledger>, api: &Api) {
    let Some(transport) = works.lanes.outlet(Channel::Slack) else { return };
    let illustrator = Illustrator {
        store: Arc::clone(store) as Arc<dyn Pictures>,
        incidents: Arc::clone(&api.store),
        queries: api.queries.clone(),
        rules: Arc::clone(&api.rules.in_force),
        checks: Arc::clone(&api.checks),
        transport,
        clock: Arc::clone(&api.clock),
        sent: works.lanes.sent(),
        obstacle: Mutex::default(),
    };
    works.spawn(|halt| illustrator.run(halt));
}
