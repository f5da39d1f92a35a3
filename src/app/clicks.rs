//! Buttons in Slack: who understands them, and by which way they come.

use std::sync::Arc;

use super::channels::by_slack;
use super::daemon::StartError;
use super::works::Works;
use crate::config::{Secret, Settings};
use crate::domain::policy::Channel;
use crate::engine::acts::Acts;
use crate::engine::clicks::{Clicks, Desk, Parts};
use crate::engine::errands::Errands;
use crate::notify::slack::socket::Socket;
use crate::store::Ledger;

/// Takes clicks from now on.
///
/// # Errors
///
/// [`StartError::Channel`] when the credentials cannot be used.
pub(super) fn start(
    settings: &Settings,
    works: &Works,
    (store, errands, acts): (&Arc<dyn Ledger>, &Arc<Errands>, &Arc<Acts>),
) -> Result<Arc<Clicks>, StartError> {
    let parts =
        Parts { store: Arc::clone(store), errands: Arc::clone(errands), acts: Arc::clone(acts) };
    let clicks = Arc::new(Clicks::new(parts, desk(settings)?));
    works.spawn(|halt| Arc::clone(&clicks).listen(halt));
    Ok(clicks)
}

/// What clicks are answered with under `settings`; `None` where none can come.
///
/// # Errors
///
/// [`StartError::Channel`] when the credentials cannot be used.
pub(super) fn desk(settings: &Settings) -> Result<Option<Arc<Desk>>, StartError> {
    let Some(slack) = settings.slack.as_ref().filter(|slack| slack.is_interactive()) else {
        return Ok(None);
    };
    let failed = |source| StartError::Channel { channel: Channel::Slack.as_str(), source };
    Ok(Some(Arc::new(Desk {
        slack: Arc::new(by_slack(slack).map_err(failed)?),
        socket: match &slack.app_token {
            Some(token) => {
                let socket = Socket::new(&slack.api_url, token.expose()).map_err(failed)?;
                Some(Arc::new(socket))
            }
            None => None,
        },
        signing_secret: slack.signing_secret.as_ref().map(|it| Secret::expose(it).to_owned()),
    })))
}
