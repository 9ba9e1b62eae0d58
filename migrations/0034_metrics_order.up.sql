-- no-transaction
-- Runs in the order of one of their metrics: the list reads as many entries as it shows.
-- An interrupted build leaves an invalid index: drop it, then migrate again.
CREATE INDEX CONCURRENTLY metrics_order ON metrics (split, name, (coalesce(field, '')), value, run_id) WHERE step = 0 AND value IS NOT NULL;
