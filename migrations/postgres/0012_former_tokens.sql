-- What agents showed before their token was replaced: good for a while, whoever shows the new one.
-- It takes the place of `previous` in agent_tokens, which is not read any more.
CREATE TABLE former_tokens (
    digest     BYTEA  NOT NULL PRIMARY KEY,
    token      BIGINT NOT NULL,
    good_until BIGINT NOT NULL
);

INSERT INTO former_tokens (digest, token, good_until)
SELECT previous, id, rotated_at + 3600000 FROM agent_tokens
WHERE previous IS NOT NULL AND rotated_at IS NOT NULL AND revoked_at IS NULL;
