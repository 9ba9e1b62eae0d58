-- Imports can be reverted, and documents archived, by events: no earlier position changes.

ALTER TABLE imports
    ADD COLUMN first_position bigint,
    ADD COLUMN last_position bigint;
COMMENT ON COLUMN imports.first_position IS 'Texts, details, splits and events from first_position to last_position are those of this import: the position lock was held in between. NULL for imports older than this column, which cannot be reverted';

CREATE TABLE import_documents (
    import_id       uuid NOT NULL REFERENCES imports,
    document_id     uuid NOT NULL REFERENCES documents,
    text_version    int NOT NULL,
    details_version int NOT NULL,
    events          bigint[] NOT NULL,
    predictions     int[] NOT NULL,
    PRIMARY KEY (import_id, document_id)
);
CREATE INDEX import_documents_document ON import_documents (document_id);
COMMENT ON TABLE import_documents IS 'An existing document that an import contained. New documents have no row: their texts are in the positions of their import';
COMMENT ON COLUMN import_documents.text_version IS 'The text that the document had in the file, whether it was new or not';
COMMENT ON COLUMN import_documents.events IS 'Positions of earlier events that the file repeated: they stay when the import that wrote them is reverted';
COMMENT ON COLUMN import_documents.predictions IS 'Hashes of the predictions of the file, by prediction_hash()';

CREATE FUNCTION prediction_hash(field text, extractor_version text, value text[]) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT hashtext(field || E'\x1f' || extractor_version || E'\x1f' || array_to_string(value, E'\x1e')) $$;

ALTER TABLE extractions ADD COLUMN import_id uuid;
COMMENT ON COLUMN extractions.import_id IS 'The import that wrote it; NULL for rows older than this column';

CREATE TABLE extraction_history (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id       uuid NOT NULL REFERENCES documents,
    field             text NOT NULL,
    extractor_version text NOT NULL,
    value             text[] NOT NULL,
    confidence        double precision,
    predicted_at      timestamptz NOT NULL,
    import_id         uuid REFERENCES imports,
    ended_by          uuid NOT NULL,
    is_withdrawn      boolean NOT NULL,
    ended_at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX extraction_history_document ON extraction_history (document_id);
COMMENT ON TABLE extraction_history IS 'Predictions that an import replaced, or that were withdrawn with their import';
COMMENT ON COLUMN extraction_history.ended_by IS 'The import that replaced it, or that was reverted';

CREATE TABLE import_reverts (
    import_id             uuid PRIMARY KEY REFERENCES imports,
    actor                 text NOT NULL,
    reason                text CHECK (length(reason) BETWEEN 1 AND 1000),
    documents_withdrawn   bigint NOT NULL DEFAULT 0,
    texts_restored        bigint NOT NULL DEFAULT 0,
    details_restored      bigint NOT NULL DEFAULT 0,
    events_withdrawn      bigint NOT NULL DEFAULT 0,
    predictions_withdrawn bigint NOT NULL DEFAULT 0,
    started_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at           timestamptz
);
COMMENT ON TABLE import_reverts IS 'An import that is or was reverted. It is processed in batches of documents; the rest is in import_revert_documents';

CREATE TABLE import_revert_documents (
    import_id   uuid NOT NULL REFERENCES import_reverts,
    document_id uuid NOT NULL REFERENCES documents,
    stage       smallint NOT NULL CHECK (stage BETWEEN 0 AND 2),
    PRIMARY KEY (import_id, document_id)
);
COMMENT ON TABLE import_revert_documents IS 'Documents that a revert has not finished';
COMMENT ON COLUMN import_revert_documents.stage IS '0: created by the import, 1: existed before, 2: restored, to be compared with its near-duplicates. Processed in this order';

CREATE TABLE document_withdrawals (
    document_id uuid NOT NULL REFERENCES documents,
    position    bigint NOT NULL,
    import_id   uuid NOT NULL REFERENCES imports,
    effect      text NOT NULL CHECK (effect IN ('withdrawn', 'changed', 'restored')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, position)
);
CREATE INDEX document_withdrawals_position ON document_withdrawals (position);
COMMENT ON TABLE document_withdrawals IS 'Effect of a revert on a document: withdrawn as a whole, or changed back. Restored: a later import contained it again';
CREATE TRIGGER document_withdrawals_append_only BEFORE UPDATE OR DELETE ON document_withdrawals FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE document_archivals (
    document_id uuid NOT NULL REFERENCES documents,
    position    bigint NOT NULL,
    archived    boolean NOT NULL,
    actor       text NOT NULL,
    reason      text CHECK (length(reason) BETWEEN 1 AND 1000),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, position)
);
COMMENT ON TABLE document_archivals IS 'A document was archived or unarchived. The version of its split at the same position takes it out of selections, or back';
CREATE TRIGGER document_archivals_append_only BEFORE UPDATE OR DELETE ON document_archivals FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE documents ADD COLUMN archived_at timestamptz, ADD COLUMN withdrawn_at timestamptz;
COMMENT ON COLUMN documents.archived_at IS 'Since when it is archived: in no selection and not in the review queue';
COMMENT ON COLUMN documents.withdrawn_at IS 'When all imports that contained it were reverted';

ALTER TABLE document_texts ADD COLUMN restores int;
ALTER TABLE document_details ADD COLUMN restores int;
COMMENT ON COLUMN document_texts.restores IS 'The earlier version that a revert restored; NULL for a text of a source';
COMMENT ON COLUMN document_details.restores IS 'The earlier version that a revert restored';

ALTER TABLE annotation_events ADD COLUMN withdrawals bigint[];
COMMENT ON COLUMN annotation_events.withdrawals IS 'Positions at which it was withdrawn and restored, in turn: it counts as of P if an even number of them is at or below P. Only appended to';

CREATE FUNCTION counts_at(withdrawals bigint[], up_to bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT withdrawals IS NULL OR width_bucket(up_to, withdrawals) % 2 = 0 $$;
COMMENT ON FUNCTION counts_at IS 'Whether an event with these withdrawals counts as of a position';

-- As refuse_change_but_erasure(); a revert may append to withdrawals.
CREATE FUNCTION refuse_change_of_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    length int;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF current_setting('aprendiz.erasing', true) = OLD.document_id::text THEN
            RETURN NEW;
        END IF;
        length := coalesce(cardinality(OLD.withdrawals), 0);
        IF cardinality(NEW.withdrawals) = length + 1 AND NEW.withdrawals[1:length] = coalesce(OLD.withdrawals, '{}') THEN
            OLD.withdrawals := NEW.withdrawals;
            IF NEW IS NOT DISTINCT FROM OLD THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER annotation_events_append_only ON annotation_events;
CREATE TRIGGER annotation_events_append_only BEFORE UPDATE OR DELETE ON annotation_events FOR EACH ROW EXECUTE FUNCTION refuse_change_of_event();

CREATE OR REPLACE FUNCTION accepted_values(of_document uuid, of_fields text[], up_to bigint)
RETURNS TABLE (field text, value text[], review_status review_status, "position" bigint, reviewer text, source text, source_ref text,
               occurred_at timestamptz, recorded_at timestamptz, erased boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT e.field, e.value, e.review_status, e.position, e.reviewer, e.source, e.source_ref, e.occurred_at, e.recorded_at, e.erased
    FROM (
        SELECT DISTINCT ON (field) *
        FROM annotation_events
        WHERE document_id = of_document AND field = ANY(of_fields) AND position <= up_to AND counts_at(withdrawals, up_to)
        ORDER BY field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
    ) e
    -- an undone review is none
    WHERE e.review_status <> 'UNREVIEWED'
$$;
