-- The paths by which people are told: since when there is each, what last arrived by it, and its last
-- drill, a notification that may be forgotten before it.
CREATE TABLE paths (
    channel   TEXT NOT NULL,
    address   TEXT NOT NULL,
    since     INTEGER NOT NULL,
    proven_at INTEGER,
    evidence  TEXT,
    receipt   TEXT,
    drill     INTEGER,
    PRIMARY KEY (channel, address)
) STRICT, WITHOUT ROWID;

-- Up to when rounds of drills have begun.
CREATE TABLE drill_mark (
    one      INTEGER NOT NULL PRIMARY KEY,
    until_at INTEGER NOT NULL
) STRICT;
