-- Kind of a run that trains trials with different parameters and publishes the best. Alone in its file: a new value cannot be used in the
-- transaction that adds it.
ALTER TYPE run_kind ADD VALUE 'sweep';
