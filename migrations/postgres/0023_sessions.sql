-- Who is signed in. What a browser shows is not here, only its digest.
CREATE TABLE sessions (
    digest    BYTEA  NOT NULL PRIMARY KEY,
    user_name TEXT   NOT NULL,
    -- A digest of what the user was like in the project: a session ends when that changes.
    stamp     BYTEA  NOT NULL,
    begun_at  BIGINT NOT NULL,
    seen_at   BIGINT NOT NULL
);

-- Attempts to sign in that did not succeed, once for each thing they are counted by; digests, too, since
-- people type passwords where names belong.
CREATE TABLE sign_in_attempts (
    attempt  UUID   NOT NULL,
    subject  BYTEA  NOT NULL,
    tried_at BIGINT NOT NULL,
    PRIMARY KEY (attempt, subject)
);

CREATE INDEX sign_in_attempts_of ON sign_in_attempts (subject, tried_at);
