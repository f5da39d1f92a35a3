-- Counts the leases of a notification, so that whoever lost one is told apart from whoever has it.
ALTER TABLE notifications ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
-- By which of them an attempt was made; NULL where that is not known.
ALTER TABLE deliveries ADD COLUMN epoch INTEGER;

-- What one hub does at a time.
CREATE TABLE leases (
    part        TEXT    NOT NULL PRIMARY KEY,
    holder      TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
