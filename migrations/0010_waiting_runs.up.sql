-- Claims and repeated announcements that cost the same, however many runs wait and however many of them wait for a later time.

-- run_after is in the index, so that a claim passes runs of a later time without reading them
DROP INDEX training_runs_claim;
CREATE INDEX training_runs_claim ON training_runs (priority DESC, created_at, id, run_after) WHERE status IN ('queued', 'retrying');

-- since when a waiting run could have been claimed after an announcement: the reaper takes the longest from the front
CREATE INDEX training_runs_unclaimed ON training_runs (greatest(announced_at, created_at, run_after)) WHERE status IN ('queued', 'retrying');
