-- Runs that somebody asked for, outside the schedule. They are kept apart from those of slots, so that
-- nothing that counts slots can count them.
CREATE TABLE errands (
    -- A random UUID.
    id          BLOB    NOT NULL PRIMARY KEY,
    check_id    TEXT    NOT NULL,
    -- The incident whose followers are told what came of it; it may be forgotten before.
    incident_id INTEGER,
    by_name     TEXT    NOT NULL,
    by_way      TEXT    NOT NULL,
    asked_at    INTEGER NOT NULL,
    -- When whoever is to be told was told what came of it.
    told_at     INTEGER
) STRICT;

CREATE INDEX errands_of_check ON errands (check_id, asked_at);
CREATE INDEX errands_asked ON errands (asked_at);
CREATE INDEX errands_untold ON errands (asked_at) WHERE told_at IS NULL;

-- An errand in one region.
CREATE TABLE errand_legs (
    errand_id  BLOB    NOT NULL REFERENCES errands (id),
    check_id   TEXT    NOT NULL,
    region     TEXT    NOT NULL,
    -- Of the run, whether it comes to one or not.
    run_id     BLOB    NOT NULL UNIQUE,
    -- asked, taken, ended, untaken, lost.
    state      TEXT    NOT NULL,
    -- By when it is to be taken, and then, to be ended.
    until_at   INTEGER NOT NULL,
    agent      TEXT,
    started_at INTEGER,
    duration   INTEGER,
    outcome    TEXT,
    failure    TEXT,
    trace      TEXT,
    PRIMARY KEY (errand_id, region)
) STRICT;

-- A check is run by hand once at a time in a region.
CREATE UNIQUE INDEX errand_legs_going ON errand_legs (check_id, region)
    WHERE state IN ('asked', 'taken');
