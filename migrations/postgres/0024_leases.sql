-- What is leased, by when the leases end: an index of all that is owed does not take its place then.
DROP INDEX notifications_leased;
CREATE INDEX notifications_leased ON notifications (channel, lease_until, address)
WHERE state = 'owed' AND lease_until IS NOT NULL;
