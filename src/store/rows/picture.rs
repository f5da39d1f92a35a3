//! The statements about pictures that both databases understand.

use super::super::pictures::Unillustrated;
use crate::domain::id::IncidentId;

/// The messages that Slack took since `$1` as roots, the first first, at most `$2`: incident, address and
/// receipt. A receipt with a blank is that of a reply or of a digest, one without a slash of a webhook. Only
/// the last attempts are looked through, so that it costs the same however many there are.
pub(in crate::store) const WANTED: &str = "SELECT n.incident_id, n.address, d.detail \
     FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id \
     WHERE d.id > (SELECT coalesce(max(id), 0) FROM deliveries) - 500 AND d.outcome = 'accepted' \
     AND n.channel = 'slack' AND d.ended_at >= $1 AND d.detail LIKE '%/%' \
     AND d.detail NOT LIKE '% %' AND NOT EXISTS (SELECT 1 FROM pictures \
     WHERE pictures.incident_id = n.incident_id AND pictures.address = n.address) \
     ORDER BY d.id LIMIT $2";

/// Takes the picture of incident `$1` for address `$2` at `$3`, unless somebody did.
pub(in crate::store) const CLAIM: &str = "INSERT INTO pictures (incident_id, address, claimed_at) \
     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// Forgets what was taken before `$1`.
pub(in crate::store) const FORGET: &str = "DELETE FROM pictures WHERE claimed_at < $1";

/// A row of [`WANTED`].
pub(in crate::store) type WantedRow = (i64, String, String);

/// Reads one.
pub(in crate::store) fn read((incident, _, receipt): WantedRow) -> Unillustrated {
    Unillustrated { incident: IncidentId(incident), receipt }
}
