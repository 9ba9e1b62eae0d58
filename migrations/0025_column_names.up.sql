-- Columns named by the terms of the documentation: a wake-up is published, a worker releases its runs.
ALTER TABLE training_runs RENAME COLUMN announced_at TO wakeup_published_at;
COMMENT ON COLUMN training_runs.wakeup_published_at IS 'When the relay last published the wake-up of the run to Redis';
ALTER TABLE workers RENAME COLUMN drain_hand_back TO drain_release_runs;
COMMENT ON COLUMN workers.drain_release_runs IS 'Whether it releases its running runs instead of finishing them';
COMMENT ON COLUMN workers.listening IS 'Whether it receives wake-ups; without them it finds runs by polling';
