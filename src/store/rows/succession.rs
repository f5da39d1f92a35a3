//! The statements about who is told instead that both databases understand.

/// How the last attempt at message `$1` ended, be it the one at its digest.
pub(in crate::store) const LAST_ATTEMPT: &str = "SELECT outcome FROM deliveries \
     WHERE notification_id = (SELECT coalesce(digest, id) FROM notifications WHERE id = $1) \
     ORDER BY id DESC LIMIT 1";

/// Owes message `$1` again from `$2` on, which the sentence `$3` says.
pub(in crate::store) const TRY_ON: &str = "UPDATE notifications SET succession = $3, \
     state = 'owed', due_at = $2, reason = $3, settled_at = NULL WHERE id = $1";

/// Notes at `$2` that it is decided who is told instead of message `$1`, which the sentence `$3` says.
pub(in crate::store) const SUCCEED: &str = "UPDATE notifications SET succeeded_at = $2, \
     succession = $3 WHERE id = $1";

/// Notes that path `$1` is broken since `$2`, for the reason `$3`, unless that is known.
pub(in crate::store) const BREAK: &str = "INSERT INTO broken_channels (channel, since, reason) \
     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
