-- What is leased, by when the leases end.
DROP INDEX notifications_leased;
CREATE INDEX notifications_leased ON notifications (channel, lease_until, address)
WHERE state = 'owed' AND lease_until IS NOT NULL;
