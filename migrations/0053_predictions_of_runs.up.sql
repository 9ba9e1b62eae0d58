-- Predictions that a run wrote with a published version are stored beside those of the extractor.

ALTER TABLE extractions
    ADD COLUMN run_id uuid REFERENCES training_runs,
    ADD COLUMN text_version int,
    ADD CONSTRAINT extraction_of_run CHECK ((run_id IS NULL) = (text_version IS NULL)) NOT VALID;
ALTER TABLE metrics
    DROP CONSTRAINT metrics_split_check,
    ADD CONSTRAINT metrics_split_check CHECK (split IN ('train', 'validation', 'test', 'reviewed', 'predicted')) NOT VALID;

COMMENT ON COLUMN extractions.run_id IS 'The run that wrote it, whose spec names model and version; NULL for a prediction of the extractor';
COMMENT ON COLUMN extractions.text_version IS 'The text that the run read. A run writes a document again only if its text has changed';
COMMENT ON COLUMN extractions.extractor_version IS 'Version of the extractor; NAME@NUMBER of a model version for a prediction of a run';
COMMENT ON TABLE extractions IS 'A prediction of one version of the extractor, or of one published version of a model, for one field of one document';
