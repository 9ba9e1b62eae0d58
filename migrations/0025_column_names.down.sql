COMMENT ON COLUMN workers.listening IS 'Whether it hears announcements; without it finds runs by looking';
COMMENT ON COLUMN workers.drain_release_runs IS 'It hands running runs back instead of finishing them';
ALTER TABLE workers RENAME COLUMN drain_release_runs TO drain_hand_back;
COMMENT ON COLUMN training_runs.wakeup_published_at IS 'When the relay last put the run into Redis';
ALTER TABLE training_runs RENAME COLUMN wakeup_published_at TO announced_at;
