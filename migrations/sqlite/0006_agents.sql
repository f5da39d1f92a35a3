-- What agents show to be let in. Only digests (SHA-256) are kept.
CREATE TABLE agent_tokens (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    region     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    -- The token before the rotation, good until the new one is first shown.
    previous   BLOB,
    created_at INTEGER NOT NULL,
    rotated_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- The agents of each region as they last said.
CREATE TABLE agents (
    region         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    -- Which start of the agent has the name; another may take it when the lease ran out.
    instance       BLOB    NOT NULL,
    version        TEXT    NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    lease_until    INTEGER NOT NULL,
    -- When it stopped in order; NULL while it runs, and when it was lost.
    left_at        INTEGER,
    -- By how much its clock is ahead, in microseconds.
    skew           INTEGER NOT NULL,
    -- How far its schedule is behind, in milliseconds.
    lag            INTEGER NOT NULL,
    spool_reports  INTEGER NOT NULL,
    spool_bytes    INTEGER NOT NULL,
    thinned        INTEGER NOT NULL,
    lost           INTEGER NOT NULL,
    -- What it runs, as far as it may be shown.
    revision       TEXT,
    PRIMARY KEY (region, name)
) STRICT, WITHOUT ROWID;
