-- What a series measures (counter, gauge), as whoever brought it first said; nothing where nobody did.
ALTER TABLE metric_series ADD COLUMN measure TEXT;
