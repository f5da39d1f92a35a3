-- What runs that somebody asked for do, line by line, for those who watch them. Lines may be missing, and are
-- forgotten before the errand is.
CREATE TABLE errand_output (
    run_id BLOB    NOT NULL,
    -- Among the lines of the run, from 0.
    number INTEGER NOT NULL,
    -- JSON.
    line   TEXT    NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT, WITHOUT ROWID;
