-- Which slots were expected, who was there, and why some slots have no run.

-- A check in a region, as long as its schedule was the same.
CREATE TABLE watches (
    id       INTEGER NOT NULL PRIMARY KEY,
    check_id TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    -- `every <milliseconds>` or `cron <zone> <line>`.
    schedule TEXT    NOT NULL,
    from_at  INTEGER NOT NULL,
    until_at INTEGER
) STRICT;

-- A check has one watch at a time in a region.
CREATE UNIQUE INDEX watches_open ON watches (check_id, region) WHERE until_at IS NULL;
CREATE INDEX watches_ended ON watches (until_at) WHERE until_at IS NOT NULL;

-- Slots in a row without a run.
CREATE TABLE gaps (
    id       INTEGER NOT NULL PRIMARY KEY,
    check_id TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    slots    INTEGER NOT NULL,
    reason   TEXT    NOT NULL
) STRICT;

CREATE INDEX gaps_of_check ON gaps (check_id, region, last_at);
CREATE INDEX gaps_by_time ON gaps (last_at);

-- Processes, and when they were last seen. A hub has no region.
CREATE TABLE lives (
    process  TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    from_at  INTEGER NOT NULL,
    until_at INTEGER NOT NULL,
    PRIMARY KEY (process, region)
) STRICT, WITHOUT ROWID;

-- Up to when every slot is accounted for: one row, or none.
CREATE TABLE accounted (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    until_at INTEGER NOT NULL
) STRICT;
