-- Up to which time all rules are evaluated: one row, or none.
CREATE TABLE rule_mark (
    one      BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    until_at BIGINT NOT NULL
);

-- What is known of each rule, as JSON.
CREATE TABLE rule_states (
    rule  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
);
