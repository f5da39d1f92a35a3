-- The latest slot that passed or failed. An unknown run moves last_slot only, so that it does not
-- stand in the way of an earlier slot whose run ends later.
ALTER TABLE streaks ADD COLUMN last_counted BIGINT;
UPDATE streaks SET last_counted = last_slot;

-- Whether the repeat that it is leased for was about to leave: if that lease is lost, it may have
-- arrived twice.
ALTER TABLE notifications ADD COLUMN begun BOOLEAN NOT NULL DEFAULT false;
