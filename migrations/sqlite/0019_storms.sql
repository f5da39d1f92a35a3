-- The notification by whose message this one is told: that of a digest, which names itself. While it is
-- owed, it leaves with that message or not at all.
ALTER TABLE notifications ADD COLUMN digest INTEGER;
CREATE INDEX notifications_digest ON notifications (digest) WHERE digest IS NOT NULL;

-- When the answer came that it tells of, when the request left that was accepted and when the answer to it
-- came, and when somebody acknowledged what it says. It was decided when it was owed.
ALTER TABLE notifications ADD COLUMN failed_at INTEGER;
ALTER TABLE notifications ADD COLUMN sent_at INTEGER;
ALTER TABLE notifications ADD COLUMN accepted_at INTEGER;
ALTER TABLE notifications ADD COLUMN acknowledged_at INTEGER;

-- What one recipient is owed, and which messages it was sent lately.
CREATE INDEX notifications_waiting ON notifications (channel, address, id) WHERE state = 'owed';
CREATE INDEX notifications_told ON notifications (channel, address, settled_at)
    WHERE state = 'sent';
