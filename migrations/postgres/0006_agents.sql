-- What agents show to be let in. Only digests (SHA-256) are kept.
CREATE TABLE agent_tokens (
    id         BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region     TEXT   COLLATE "C" NOT NULL,
    name       TEXT   COLLATE "C" NOT NULL,
    digest     BYTEA  NOT NULL,
    -- The token before the rotation, good until the new one is first shown.
    previous   BYTEA,
    created_at BIGINT NOT NULL,
    rotated_at BIGINT,
    revoked_at BIGINT
);

-- The agents of each region as they last said.
CREATE TABLE agents (
    region         TEXT   COLLATE "C" NOT NULL,
    name           TEXT   COLLATE "C" NOT NULL,
    -- Which start of the agent has the name; another may take it when the lease ran out.
    instance       UUID   NOT NULL,
    version        TEXT   NOT NULL,
    first_seen     BIGINT NOT NULL,
    last_seen      BIGINT NOT NULL,
    lease_until    BIGINT NOT NULL,
    -- When it stopped in order; NULL while it runs, and when it was lost.
    left_at        BIGINT,
    -- By how much its clock is ahead, in microseconds.
    skew           BIGINT NOT NULL,
    -- How far its schedule is behind, in milliseconds.
    lag            BIGINT NOT NULL,
    spool_reports  BIGINT NOT NULL,
    spool_bytes    BIGINT NOT NULL,
    thinned        BIGINT NOT NULL,
    lost           BIGINT NOT NULL,
    -- What it runs, as far as it may be shown.
    revision       TEXT,
    PRIMARY KEY (region, name)
);
