-- What there is of metrics: one row, or none. Whoever writes metrics holds it.
CREATE TABLE metric_state (
    one          INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    -- The numbers that come next.
    next_series  INTEGER NOT NULL,
    next_frame   INTEGER NOT NULL,
    -- Up to this moment, points are in chunks; later ones are in frames.
    closed_until INTEGER NOT NULL,
    -- Until when the points themselves, and the roll-ups of each level, are forgotten.
    points_from  INTEGER NOT NULL,
    short_from   INTEGER NOT NULL,
    long_from    INTEGER NOT NULL,
    -- How often series were forgotten.
    generation   INTEGER NOT NULL
) STRICT;

-- Series by their numbers; labels are a JSON object.
CREATE TABLE metric_series (
    id         INTEGER NOT NULL PRIMARY KEY,
    labels     TEXT    NOT NULL,
    -- No point of it is later; rounded up, so that it changes rarely.
    seen_until INTEGER NOT NULL
) STRICT;

-- Points as they came, of many series together.
CREATE TABLE metric_frames (
    id      INTEGER NOT NULL PRIMARY KEY,
    last_at INTEGER NOT NULL,
    points  BLOB    NOT NULL
) STRICT;

-- Points of one series and one period (after start_at), by level: 0 the points themselves, 1 and 2
-- the roll-ups.
CREATE TABLE metric_chunks (
    level    INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    series   INTEGER NOT NULL,
    points   BLOB    NOT NULL,
    PRIMARY KEY (level, start_at, series)
) STRICT;
