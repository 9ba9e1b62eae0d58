-- Kind and phase of a run that writes predictions of a published version. Alone in their file: a new value cannot be used in the transaction
-- that adds it.
ALTER TYPE run_kind ADD VALUE 'predict';
ALTER TYPE run_phase ADD VALUE 'predict' AFTER 'evaluate';
