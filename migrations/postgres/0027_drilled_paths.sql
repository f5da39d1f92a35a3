-- Since when each path is drilled; empty where it is not.
ALTER TABLE paths ADD COLUMN drilled_since BIGINT;
