-- Times are milliseconds since the Unix epoch, durations microseconds, both in UTC and integers.
-- Words (outcome, state, kind, channel) are those of the vocabulary. Documents are JSON.

-- One row per slot that was run.
CREATE TABLE runs (
    -- The order in which they were recorded: replaying them in it decides the same again.
    number      INTEGER NOT NULL PRIMARY KEY,
    -- Begins with the slot's time, so this order is that of the slots.
    id          BLOB    NOT NULL UNIQUE,
    check_id    TEXT    NOT NULL,
    region      TEXT    NOT NULL,
    slot_at     INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    duration    INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    failure     TEXT,
    -- The last column, so that lists do not read it; NULL when there is nothing in it.
    trace       TEXT
) STRICT;

-- Without the region: a check has few, and most lists want all of them in order of time.
CREATE INDEX runs_of_check ON runs (check_id, slot_at);
-- Few runs do not pass, so this costs nothing while all is well.
CREATE INDEX runs_not_passed ON runs (slot_at) WHERE outcome <> 'passed';

-- What the runs of a check in a region amount to.
CREATE TABLE streaks (
    check_id      TEXT    NOT NULL,
    region        TEXT    NOT NULL,
    failures      INTEGER NOT NULL,
    passes        INTEGER NOT NULL,
    down          INTEGER NOT NULL,
    failing_since INTEGER,
    last_success  INTEGER,
    last_slot     INTEGER,
    last_outcome  TEXT,
    PRIMARY KEY (check_id, region)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id           INTEGER NOT NULL PRIMARY KEY,
    check_id     TEXT    NOT NULL,
    opened_at    INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    resolved_at  INTEGER,
    tiers        TEXT    NOT NULL,
    told         TEXT    NOT NULL,
    cause_region TEXT    NOT NULL,
    cause_step   TEXT,
    cause_error  TEXT    NOT NULL
) STRICT;

CREATE INDEX incidents_of_check ON incidents (check_id, id);
-- A check has one open incident at most.
CREATE UNIQUE INDEX incidents_open ON incidents (check_id) WHERE resolved_at IS NULL;

-- What was decided and why; those without an incident say why nobody was told.
CREATE TABLE decisions (
    id          INTEGER NOT NULL PRIMARY KEY,
    check_id    TEXT    NOT NULL,
    incident_id INTEGER REFERENCES incidents (id),
    -- The run that led to it, if one did.
    run_id      BLOB,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    reason      TEXT    NOT NULL
) STRICT;

CREATE INDEX decisions_of_check ON decisions (check_id, id);
CREATE INDEX decisions_of_incident ON decisions (incident_id, id) WHERE incident_id IS NOT NULL;
-- Runs that an incident refers to are not forgotten.
CREATE INDEX decisions_of_run ON decisions (run_id)
    WHERE incident_id IS NOT NULL AND run_id IS NOT NULL;
CREATE INDEX decisions_alone ON decisions (at) WHERE incident_id IS NULL;

-- The outbox: messages owed, and what became of them.
CREATE TABLE notifications (
    id              INTEGER NOT NULL PRIMARY KEY,
    incident_id     INTEGER NOT NULL REFERENCES incidents (id),
    channel         TEXT    NOT NULL,
    address         TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    -- Which tier, counted from 1; 0 where the kind has none.
    tier            INTEGER NOT NULL,
    notice          TEXT    NOT NULL,
    first_word      INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    owed_at         INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    -- From when and until when someone is sending it.
    leased_at       INTEGER,
    lease_until     INTEGER,
    failures        INTEGER NOT NULL,
    possible_repeat INTEGER NOT NULL,
    -- When and why it left the state of being owed.
    settled_at      INTEGER,
    reason          TEXT
) STRICT;

-- Nobody is told the same thing twice.
CREATE UNIQUE INDEX notifications_once
    ON notifications (incident_id, channel, address, kind, tier);
CREATE INDEX notifications_owed ON notifications (channel, id) WHERE state = 'owed';
CREATE INDEX notifications_given_up ON notifications (settled_at) WHERE state = 'given_up';

-- The attempts to send a notification.
CREATE TABLE deliveries (
    id              INTEGER NOT NULL PRIMARY KEY,
    notification_id INTEGER NOT NULL REFERENCES notifications (id),
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL,
    outcome         TEXT    NOT NULL,
    detail          TEXT    NOT NULL
) STRICT;

CREATE INDEX deliveries_of_notification ON deliveries (notification_id, id);
