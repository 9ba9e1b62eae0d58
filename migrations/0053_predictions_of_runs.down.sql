DELETE FROM metrics WHERE split = 'predicted';
ALTER TABLE metrics
    DROP CONSTRAINT metrics_split_check,
    ADD CONSTRAINT metrics_split_check CHECK (split IN ('train', 'validation', 'test', 'reviewed'));
-- without their run they would count as predictions of the extractor
DELETE FROM extractions WHERE run_id IS NOT NULL;
ALTER TABLE extractions
    DROP CONSTRAINT extraction_of_run,
    DROP COLUMN text_version,
    DROP COLUMN run_id;
COMMENT ON COLUMN extractions.extractor_version IS NULL;
COMMENT ON TABLE extractions IS 'A prediction of one version of the extractor for one field of one document';
