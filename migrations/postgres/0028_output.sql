-- What runs that somebody asked for do, line by line, for those who watch them. Lines may be missing, and are
-- forgotten before the errand is.
CREATE TABLE errand_output (
    run_id UUID    NOT NULL,
    -- Among the lines of the run, from 0.
    number BIGINT  NOT NULL,
    -- JSON.
    line   TEXT    NOT NULL,
    PRIMARY KEY (run_id, number)
);
