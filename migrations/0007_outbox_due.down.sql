DROP INDEX outbox_run;
DROP INDEX outbox_due;
ALTER TABLE outbox DROP COLUMN due_at;
