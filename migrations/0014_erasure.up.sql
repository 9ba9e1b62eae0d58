-- Legal erasure: the content of a document goes, the proof that it was there and was erased stays.

CREATE TABLE erasures (
    document_id uuid PRIMARY KEY REFERENCES documents ON DELETE RESTRICT,
    actor       text NOT NULL,
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    position    bigint NOT NULL,
    texts       int NOT NULL CHECK (texts >= 0),
    events      int NOT NULL CHECK (events >= 0),
    datasets    int NOT NULL CHECK (datasets >= 0),
    erased_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX erasures_position ON erasures (position);
COMMENT ON TABLE erasures IS 'A document whose content was erased for ever, who did it and why';
COMMENT ON COLUMN erasures.position IS 'Commit-safe position; from it on no snapshot holds the document, as of whatever time';
COMMENT ON COLUMN erasures.texts IS 'Versions of its text that were emptied; their hashes stay as proof';
COMMENT ON COLUMN erasures.datasets IS 'Snapshots that held it and lost their files';
CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE ON erasures FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE datasets ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN datasets.erased_at IS 'When its files were given up because a document in it was erased; the row stays as proof';

-- Append-only but for erasure, which says in its transaction which document it empties.
CREATE FUNCTION refuse_change_but_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('aprendiz.erasing', true) = OLD.document_id::text THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER document_texts_append_only ON document_texts;
DROP TRIGGER document_details_append_only ON document_details;
DROP TRIGGER annotation_events_append_only ON annotation_events;
CREATE TRIGGER document_texts_append_only BEFORE UPDATE OR DELETE ON document_texts FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure();
CREATE TRIGGER document_details_append_only BEFORE UPDATE OR DELETE ON document_details FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure();
CREATE TRIGGER annotation_events_append_only BEFORE UPDATE OR DELETE ON annotation_events FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure();

ALTER TABLE annotation_events ADD COLUMN erased boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN annotation_events.erased IS 'true: value, places and note were erased with the document; that there was a review, by whom and when, stays';
ALTER TABLE annotation_events DROP CONSTRAINT event_status_fits_value;
ALTER TABLE annotation_events ADD CONSTRAINT event_status_fits_value CHECK (erased OR CASE review_status
    WHEN 'OK' THEN value <> '{}' WHEN 'CORRECTED' THEN value <> '{}' WHEN 'NEW' THEN value <> '{}'
    WHEN 'REJECTED' THEN value = '{}' WHEN 'MISSING' THEN value = '{}' ELSE true END);
