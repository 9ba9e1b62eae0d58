-- Changes of the target accuracy of a published version. The files of the version stay as they were published.

CREATE TABLE threshold_events (
    model_version_id uuid NOT NULL REFERENCES model_versions,
    revision         int NOT NULL CHECK (revision >= 1),
    field            text NOT NULL,
    from_target      double precision NOT NULL,
    from_threshold   double precision,
    target           double precision NOT NULL CHECK (target > 0 AND target < 1),
    threshold        double precision CHECK (threshold >= 0 AND threshold <= 1),
    actor            text NOT NULL,
    at               timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model_version_id, revision, field)
);
COMMENT ON TABLE threshold_events IS 'Append-only changes of the thresholds of a version. The current threshold of a field is that of its latest revision, else that of the files';
COMMENT ON COLUMN threshold_events.revision IS 'Number of the change of this version, from 1; one change may concern several fields';
COMMENT ON COLUMN threshold_events.threshold IS 'NULL = the target is unreachable, so nothing is answered';
CREATE TRIGGER threshold_events_append_only BEFORE UPDATE OR DELETE ON threshold_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
