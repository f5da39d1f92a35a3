-- The editions of the project that were the latest: what is watched follows the one that was taken
-- up last, and a hub that starts with an earlier one changes nothing of it.
CREATE TABLE editions (
    digest    TEXT   NOT NULL PRIMARY KEY,
    -- When its files were last changed.
    edited_at BIGINT NOT NULL,
    -- Since when it is the latest, or was last so.
    taken_at  BIGINT NOT NULL,
    -- When a hub last said that it has it.
    seen_at   BIGINT NOT NULL
);

CREATE UNIQUE INDEX editions_latest ON editions (taken_at DESC);
