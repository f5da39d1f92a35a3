-- Since which slot a region has answered without a break, and the unknown runs since its last
-- answer: how many, since when, and why the last one.
ALTER TABLE streaks
    ADD COLUMN answering_since BIGINT,
    ADD COLUMN unknowns        BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN unknown_since   BIGINT,
    ADD COLUMN unknown_reason  TEXT;

-- What an incident and a decision are about: no longer always a check. `check:NAME`,
-- `coverage:NAME` or `region:NAME`.
DROP INDEX incidents_of_check;
DROP INDEX incidents_open;
ALTER TABLE incidents RENAME COLUMN check_id TO subject;
UPDATE incidents SET subject = 'check:' || subject;
CREATE INDEX incidents_of_subject ON incidents (subject, id);
-- There is one open incident at most about a subject.
CREATE UNIQUE INDEX incidents_open ON incidents (subject) WHERE resolved_at IS NULL;

DROP INDEX decisions_of_check;
ALTER TABLE decisions RENAME COLUMN check_id TO subject;
UPDATE decisions SET subject = 'check:' || subject;
CREATE INDEX decisions_of_subject ON decisions (subject, id);
