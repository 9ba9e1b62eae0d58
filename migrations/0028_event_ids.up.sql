-- A writer that lost the answer of its commit repeats the event with the same id.
ALTER TABLE run_events ADD COLUMN id uuid;
COMMENT ON COLUMN run_events.id IS 'Chosen by the writer of the event, so that a repetition is recognised; null when it cannot be repeated';
CREATE UNIQUE INDEX run_events_id ON run_events (run_id, id) WHERE id IS NOT NULL;
