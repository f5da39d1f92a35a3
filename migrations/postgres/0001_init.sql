-- Times are milliseconds since the Unix epoch, durations microseconds, both in UTC and integers.
-- Words (outcome, state, kind, channel) are those of the vocabulary. Documents are JSON in text,
-- because JSON in PostgreSQL's own form cannot hold every character that a script may say.

-- One row per check; whoever records results of it holds this row.
CREATE TABLE checks (
    check_id TEXT COLLATE "C" NOT NULL PRIMARY KEY
) WITH (fillfactor = 80);

CREATE SEQUENCE run_numbers;

-- One row per slot that was run, in partitions by the day of the slot. The id begins with the
-- slot's time, so that it tells the partition.
CREATE TABLE runs (
    id          UUID   NOT NULL PRIMARY KEY,
    -- The order in which they were recorded: replaying those of a check in it decides the same again.
    number      BIGINT NOT NULL DEFAULT nextval('run_numbers'),
    check_id    TEXT   COLLATE "C" NOT NULL,
    region      TEXT   COLLATE "C" NOT NULL,
    slot_at     BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    duration    BIGINT NOT NULL,
    outcome     TEXT   NOT NULL,
    failure     TEXT,
    -- NULL when there is nothing in it.
    trace       TEXT
) PARTITION BY RANGE (id);

-- Without the region: a check has few, and most lists want all of them in order of time.
CREATE INDEX runs_of_check ON runs (check_id, id);
-- Few runs do not pass, so this costs nothing while all is well.
CREATE INDEX runs_not_passed ON runs (id) WHERE outcome <> 'passed';

-- Runs that led to a decision about an incident, moved here when their day was forgotten.
CREATE TABLE kept_runs (LIKE runs INCLUDING ALL);

-- What the runs of a check in a region amount to. Rows are changed in place, so there is room.
CREATE TABLE streaks (
    check_id      TEXT    COLLATE "C" NOT NULL,
    region        TEXT    COLLATE "C" NOT NULL,
    failures      BIGINT  NOT NULL,
    passes        BIGINT  NOT NULL,
    down          BOOLEAN NOT NULL,
    failing_since BIGINT,
    last_success  BIGINT,
    last_slot     BIGINT,
    last_outcome  TEXT,
    PRIMARY KEY (check_id, region)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE SEQUENCE incident_numbers;

CREATE TABLE incidents (
    id           BIGINT NOT NULL PRIMARY KEY,
    check_id     TEXT   COLLATE "C" NOT NULL,
    opened_at    BIGINT NOT NULL,
    since        BIGINT NOT NULL,
    resolved_at  BIGINT,
    tiers        TEXT   NOT NULL,
    told         TEXT   NOT NULL,
    cause_region TEXT   NOT NULL,
    cause_step   TEXT,
    cause_error  TEXT   NOT NULL
);

CREATE INDEX incidents_of_check ON incidents (check_id, id);
-- A check has one open incident at most.
CREATE UNIQUE INDEX incidents_open ON incidents (check_id) WHERE resolved_at IS NULL;

-- What was decided and why; those without an incident say why nobody was told.
CREATE TABLE decisions (
    id          BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_id    TEXT   COLLATE "C" NOT NULL,
    incident_id BIGINT REFERENCES incidents (id),
    -- The run that led to it, if one did.
    run_id      UUID,
    at          BIGINT NOT NULL,
    kind        TEXT   NOT NULL,
    reason      TEXT   NOT NULL
);

CREATE INDEX decisions_of_check ON decisions (check_id, id);
CREATE INDEX decisions_of_incident ON decisions (incident_id, id) WHERE incident_id IS NOT NULL;
-- Runs that an incident refers to are not forgotten.
CREATE INDEX decisions_of_run ON decisions (run_id)
    WHERE incident_id IS NOT NULL AND run_id IS NOT NULL;
CREATE INDEX decisions_alone ON decisions (at) WHERE incident_id IS NULL;

-- The outbox: messages owed, and what became of them.
CREATE TABLE notifications (
    id              BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id     BIGINT  NOT NULL REFERENCES incidents (id),
    channel         TEXT    COLLATE "C" NOT NULL,
    address         TEXT    COLLATE "C" NOT NULL,
    kind            TEXT    NOT NULL,
    -- Which tier, counted from 1; 0 where the kind has none.
    tier            BIGINT  NOT NULL,
    notice          TEXT    NOT NULL,
    first_word      BOOLEAN NOT NULL,
    state           TEXT    NOT NULL,
    owed_at         BIGINT  NOT NULL,
    due_at          BIGINT  NOT NULL,
    -- From when and until when someone is sending it.
    leased_at       BIGINT,
    lease_until     BIGINT,
    failures        BIGINT  NOT NULL,
    possible_repeat BOOLEAN NOT NULL,
    -- When and why it left the state of being owed.
    settled_at      BIGINT,
    reason          TEXT
) WITH (fillfactor = 80);

-- Nobody is told the same thing twice.
CREATE UNIQUE INDEX notifications_once
    ON notifications (incident_id, channel, address, kind, tier);
CREATE INDEX notifications_owed ON notifications (channel, id) WHERE state = 'owed';
CREATE INDEX notifications_leased ON notifications (channel, address) WHERE lease_until IS NOT NULL;
CREATE INDEX notifications_given_up ON notifications (settled_at) WHERE state = 'given_up';

-- The attempts to send a notification.
CREATE TABLE deliveries (
    id              BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id BIGINT NOT NULL REFERENCES notifications (id),
    started_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    outcome         TEXT   NOT NULL,
    detail          TEXT   NOT NULL
);

CREATE INDEX deliveries_of_notification ON deliveries (notification_id, id);
