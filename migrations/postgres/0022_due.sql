-- What is due when: with many owed, whatever is due later is found without looking at all of them.
CREATE INDEX notifications_due ON notifications (channel, due_at) WHERE state = 'owed';
