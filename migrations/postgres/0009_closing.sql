-- Late runs are added to the counts of their hour: up to where hours are being counted at present,
-- NULL when none is. A run of a counted hour, or of such a one, changes its count when it is stored.
ALTER TABLE tallied ADD COLUMN closing_at BIGINT;

-- A gap is replaced by one that begins alike, so there is one of each; the latest come first.
DELETE FROM gaps USING gaps AS later WHERE later.check_id = gaps.check_id
    AND later.region = gaps.region AND later.first_at = gaps.first_at AND later.id > gaps.id;
CREATE UNIQUE INDEX gaps_once ON gaps (check_id, region, first_at);
DROP INDEX gaps_by_time;
CREATE INDEX gaps_by_time ON gaps (last_at DESC, check_id, region);

-- Whether the check was switched off: its slots are expected of nobody, and are told as gaps.
ALTER TABLE watches ADD COLUMN paused BOOLEAN NOT NULL DEFAULT false;
