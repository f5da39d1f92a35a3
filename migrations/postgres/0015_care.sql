-- What people were told of an incident and what they did, as JSON; and when time alone may change
-- something about it.
ALTER TABLE incidents ADD COLUMN story TEXT;
ALTER TABLE incidents ADD COLUMN due_at BIGINT;
CREATE INDEX incidents_due ON incidents (due_at) WHERE resolved_at IS NULL;
-- What was resolved lately may be opened again.
CREATE INDEX incidents_resolved ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;

-- The last failures one by one, where a policy asks for them, as JSON.
ALTER TABLE streaks ADD COLUMN recent TEXT;

-- Which telling about its incident a notification belongs to. Those of before have numbers of their
-- own below zero, since each was of one kind and tier.
ALTER TABLE notifications ADD COLUMN telling BIGINT NOT NULL DEFAULT 0;
UPDATE notifications SET telling = -id;
DROP INDEX notifications_once;
-- Nobody is told the same thing twice.
CREATE UNIQUE INDEX notifications_once
    ON notifications (incident_id, channel, address, telling);

-- What people asked not to be told of.
CREATE TABLE silences (
    id       BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Of what, as JSON.
    scope    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    by_name  TEXT NOT NULL,
    by_way   TEXT NOT NULL,
    from_at  BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);

CREATE INDEX silences_ends ON silences (until_at);
