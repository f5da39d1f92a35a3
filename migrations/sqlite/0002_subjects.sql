-- Since which slot a region has answered without a break, and the unknown runs since its last
-- answer: how many, since when, and why the last one.
ALTER TABLE streaks ADD COLUMN answering_since INTEGER;
ALTER TABLE streaks ADD COLUMN unknowns        INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streaks ADD COLUMN unknown_since   INTEGER;
ALTER TABLE streaks ADD COLUMN unknown_reason  TEXT;
