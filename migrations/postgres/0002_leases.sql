-- Counts the leases of a notification, so that whoever lost one is told apart from whoever has it.
ALTER TABLE notifications ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
-- By which of them an attempt was made; NULL where that is not known.
ALTER TABLE deliveries ADD COLUMN epoch BIGINT;

-- What one hub does at a time.
CREATE TABLE leases (
    part        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    holder      TEXT   NOT NULL,
    epoch       BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);
