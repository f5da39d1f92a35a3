-- The paths by which people are told: since when there is each, what last arrived by it, and its last
-- drill, a notification that may be forgotten before it.
CREATE TABLE paths (
    channel   TEXT NOT NULL,
    address   TEXT NOT NULL,
    since     BIGINT NOT NULL,
    proven_at BIGINT,
    evidence  TEXT,
    receipt   TEXT,
    drill     BIGINT,
    PRIMARY KEY (channel, address)
);

-- Up to when rounds of drills have begun.
CREATE TABLE drill_mark (
    one      BIGINT NOT NULL PRIMARY KEY,
    until_at BIGINT NOT NULL
);
