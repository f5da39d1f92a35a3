-- Where some checks were watched, and which checks were, without reading all watches.
CREATE INDEX watches_of_check ON watches (check_id, region, from_at);
