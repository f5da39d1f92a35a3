//! The statements about who is told instead that both databases understand.

use super::recipient;
use crate::domain::path::Path;
use crate::store::Error;

/// How the last attempt at message `$1` ended, be it the one at its digest.
pub(in crate::store) const LAST_ATTEMPT: &str = "SELECT outcome FROM deliveries \
     WHERE notification_id = (SELECT coalesce(digest, id) FROM notifications WHERE id = $1) \
     ORDER BY id DESC LIMIT 1";

/// What was accepted by channel `$2` of the attempts that began after the last one at message `$1`, be that
/// the one at its digest.
pub(in crate::store) const ACCEPTED_SINCE: &str = "SELECT n.channel, n.address, d.detail \
     FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id \
     JOIN deliveries AS last ON last.id = (SELECT max(id) FROM deliveries WHERE notification_id = \
     (SELECT coalesce(digest, id) FROM notifications WHERE id = $1)) \
     WHERE d.id > last.id AND d.started_at >= last.started_at AND d.outcome = 'accepted' \
     AND n.channel = $2";

/// Whether `path` works by what was accepted: channel, address and receipt of each.
pub(in crate::store) fn is_mended(
    path: &Path,
    accepted: Vec<(String, String, String)>,
) -> Result<bool, Error> {
    for (channel, address, receipt) in accepted {
        let recipient = recipient(&channel, address)?;
        if Path::proven_by(&recipient, &receipt).as_ref() == Some(path) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Owes message `$1` again from `$2` on, which the sentence `$3` says.
pub(in crate::store) const TRY_ON: &str = "UPDATE notifications SET succession = $3, \
     state = 'owed', due_at = $2, reason = $3, settled_at = NULL WHERE id = $1";

/// Notes at `$2` that it is decided who is told instead of message `$1`, which the sentence `$3` says.
pub(in crate::store) const SUCCEED: &str = "UPDATE notifications SET succeeded_at = $2, \
     succession = $3 WHERE id = $1";

/// Notes that path `$1` is broken since `$2`, for the reason `$3`, unless that is known.
pub(in crate::store) const BREAK: &str = "INSERT INTO broken_channels (channel, since, reason) \
     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
