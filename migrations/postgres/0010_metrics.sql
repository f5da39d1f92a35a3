-- What there is of metrics: one row, or none. Whoever writes metrics holds it.
CREATE TABLE metric_state (
    one          INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- The numbers that come next.
    next_series  BIGINT NOT NULL,
    next_frame   BIGINT NOT NULL,
    -- Up to this moment, points are in chunks; later ones are in frames.
    closed_until BIGINT NOT NULL,
    -- Until when the points themselves, and the roll-ups of each level, are forgotten.
    points_from  BIGINT NOT NULL,
    short_from   BIGINT NOT NULL,
    long_from    BIGINT NOT NULL,
    -- How often series were forgotten.
    generation   BIGINT NOT NULL
);

-- Series by their numbers; labels are a JSON object.
CREATE TABLE metric_series (
    id         BIGINT NOT NULL PRIMARY KEY,
    labels     TEXT    NOT NULL,
    -- No point of it is later; rounded up, so that it changes rarely.
    seen_until BIGINT NOT NULL
);

-- Points as they came, of many series together.
CREATE TABLE metric_frames (
    id      BIGINT NOT NULL PRIMARY KEY,
    last_at BIGINT NOT NULL,
    points  BYTEA   NOT NULL
);

-- Points of one series and one period (after start_at), by level: 0 the points themselves, 1 and 2
-- the roll-ups.
CREATE TABLE metric_chunks (
    level    BIGINT NOT NULL,
    start_at BIGINT NOT NULL,
    series   BIGINT NOT NULL,
    points   BYTEA   NOT NULL,
    PRIMARY KEY (level, start_at, series)
);

-- They are packed already.
ALTER TABLE metric_frames ALTER COLUMN points SET STORAGE EXTERNAL;
ALTER TABLE metric_chunks ALTER COLUMN points SET STORAGE EXTERNAL;
