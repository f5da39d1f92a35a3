-- The few runs that did not pass are found by how they ended, and by their check, without reading the
-- others: among many that failed, one that ended unknown was looked for in all of them.
DROP INDEX runs_not_passed;
CREATE INDEX runs_not_passed ON runs (outcome, slot_at) WHERE outcome <> 'passed';
CREATE INDEX runs_not_passed_of_check ON runs (check_id, outcome, slot_at) WHERE outcome <> 'passed';
