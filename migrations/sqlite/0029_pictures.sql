-- For which messages a picture was made. One is not made twice, so it is noted before it is shown.
CREATE TABLE pictures (
    incident_id INTEGER NOT NULL,
    -- In Slack.
    address     TEXT    NOT NULL,
    claimed_at  INTEGER NOT NULL,
    PRIMARY KEY (incident_id, address)
) STRICT, WITHOUT ROWID;
