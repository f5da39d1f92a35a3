-- What its provider says later of a message that it took, and when it is asked again; NULL where it is
-- not asked any more, or never was.
ALTER TABLE deliveries ADD COLUMN status TEXT;
ALTER TABLE deliveries ADD COLUMN status_code INTEGER;
ALTER TABLE deliveries ADD COLUMN status_at INTEGER;
ALTER TABLE deliveries ADD COLUMN ask_at INTEGER;
CREATE INDEX deliveries_asked ON deliveries (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX deliveries_receipts ON deliveries (detail) WHERE status IS NOT NULL;

-- When and in which sentence it was decided who is told in place of whom a message did not reach; and
-- in place of which message this one is owed.
ALTER TABLE notifications ADD COLUMN succeeded_at INTEGER;
ALTER TABLE notifications ADD COLUMN succession TEXT;
ALTER TABLE notifications ADD COLUMN in_place_of INTEGER;
-- What was given up before this is past.
UPDATE notifications SET succeeded_at = coalesce(settled_at, owed_at) WHERE state = 'given_up';
CREATE INDEX notifications_unsucceeded ON notifications (id)
    WHERE state = 'given_up' AND succeeded_at IS NULL;
CREATE INDEX notifications_heirs ON notifications (in_place_of) WHERE in_place_of IS NOT NULL;

-- By which channels nothing can be sent, since when and why.
CREATE TABLE broken_channels (
    channel TEXT    NOT NULL PRIMARY KEY,
    since   INTEGER NOT NULL,
    reason  TEXT    NOT NULL
) STRICT;

-- The messages of people that were acted upon, so that none counts twice.
CREATE TABLE answers (
    id TEXT    NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX answers_by_time ON answers (at);
