-- Up to which time all rules are evaluated: one row, or none.
CREATE TABLE rule_mark (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    until_at INTEGER NOT NULL
) STRICT;

-- What is known of each rule, as JSON.
CREATE TABLE rule_states (
    rule  TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
