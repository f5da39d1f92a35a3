-- The request on which a check failed the last time, where it failed on one.
ALTER TABLE incidents ADD COLUMN cause_request TEXT;
