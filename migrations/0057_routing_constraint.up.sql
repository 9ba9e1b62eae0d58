-- Checks the queue of existing runs, without a lock against writes.
ALTER TABLE training_runs VALIDATE CONSTRAINT training_runs_queue_fkey;
