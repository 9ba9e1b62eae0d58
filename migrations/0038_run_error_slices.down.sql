-- Metrics by slice stay; the errors of a slice can no longer be listed.

ALTER TABLE run_errors DROP COLUMN slices;
