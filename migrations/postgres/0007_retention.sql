-- Up to which slot runs of one kind, or what they said, were looked through and forgotten.
CREATE TABLE forgotten (
    part     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    until_at BIGINT NOT NULL
);

-- How the slots of an hour came out, counted before runs of it are forgotten. The hour is after
-- hour_at and up to 3600000 ms later. Classes are lists of numbers in JSON.
CREATE TABLE tallies (
    check_id  TEXT   COLLATE "C" NOT NULL,
    region    TEXT   COLLATE "C" NOT NULL,
    hour_at   BIGINT NOT NULL,
    expected  BIGINT NOT NULL,
    passed    BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    unknown   BIGINT NOT NULL,
    lateness  TEXT   NOT NULL,
    durations TEXT   NOT NULL,
    PRIMARY KEY (check_id, region, hour_at)
);

CREATE INDEX tallies_by_time ON tallies (hour_at);

-- Between which times every hour is counted: one row, or none.
CREATE TABLE tallied (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    from_at  BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
