-- Evaluations of published versions on current test documents.

CREATE TABLE evaluations (
    run_id     uuid PRIMARY KEY REFERENCES training_runs ON DELETE CASCADE,
    version_id uuid NOT NULL REFERENCES model_versions,
    dataset_id uuid NOT NULL REFERENCES datasets,
    object_key text UNIQUE REFERENCES objects ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE evaluations IS 'A succeeded run that evaluated a published version on test documents; its predictions are an object';
COMMENT ON COLUMN evaluations.dataset_id IS 'The snapshot with the test documents, not that of the version; its erasure deletes the predictions';
COMMENT ON COLUMN evaluations.object_key IS 'The predictions; NULL once they were deleted because a document was erased';
CREATE INDEX evaluations_version ON evaluations (version_id, created_at DESC);
