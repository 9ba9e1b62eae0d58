-- What operators need to know of a worker, and how they ask one to drain.
ALTER TABLE workers
    ADD COLUMN pid                 int,
    ADD COLUMN memory_bytes        bigint CHECK (memory_bytes > 0),
    ADD COLUMN kinds               run_kind[] NOT NULL DEFAULT '{}',
    ADD COLUMN listening           boolean NOT NULL DEFAULT false,
    ADD COLUMN drain_requested_at  timestamptz,
    ADD COLUMN drain_requested_by  text,
    ADD COLUMN drain_hand_back     boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT drain_was_asked_by_someone CHECK ((drain_requested_at IS NULL) = (drain_requested_by IS NULL));
COMMENT ON COLUMN workers.memory_bytes IS 'Memory of its machine or, when smaller, of its control group';
COMMENT ON COLUMN workers.kinds IS 'Kinds of run that it can carry out';
COMMENT ON COLUMN workers.listening IS 'Whether it hears announcements; without it finds runs by looking';
COMMENT ON COLUMN workers.drain_requested_at IS 'It claims nothing any more and ends when it has no run';
COMMENT ON COLUMN workers.drain_hand_back IS 'It hands running runs back instead of finishing them';
CREATE INDEX workers_alive ON workers (heartbeat_at) WHERE stopped_at IS NULL;
CREATE INDEX attempts_of_worker ON attempts (worker_id) WHERE status = 'running';
