CREATE OR REPLACE FUNCTION accepted_values(of_document uuid, of_fields text[], up_to bigint)
RETURNS TABLE (field text, value text[], review_status review_status, "position" bigint, reviewer text, source text, source_ref text,
               occurred_at timestamptz, recorded_at timestamptz, erased boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT e.field, e.value, e.review_status, e.position, e.reviewer, e.source, e.source_ref, e.occurred_at, e.recorded_at, e.erased
    FROM (
        SELECT DISTINCT ON (field) *
        FROM annotation_events
        WHERE document_id = of_document AND field = ANY(of_fields) AND position <= up_to
        ORDER BY field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
    ) e
    -- an undone review is none
    WHERE e.review_status <> 'UNREVIEWED'
$$;
DROP TRIGGER annotation_events_append_only ON annotation_events;
CREATE TRIGGER annotation_events_append_only BEFORE UPDATE OR DELETE ON annotation_events FOR EACH ROW EXECUTE FUNCTION refuse_change_but_erasure();
DROP FUNCTION refuse_change_of_event();
DROP FUNCTION counts_at(bigint[], bigint);
ALTER TABLE annotation_events DROP COLUMN withdrawals;
ALTER TABLE document_details DROP COLUMN restores;
ALTER TABLE document_texts DROP COLUMN restores;
ALTER TABLE documents DROP COLUMN archived_at, DROP COLUMN withdrawn_at;
DROP TABLE document_archivals;
DROP TABLE document_withdrawals;
DROP TABLE import_revert_documents;
DROP TABLE import_reverts;
DROP TABLE extraction_history;
ALTER TABLE extractions DROP COLUMN import_id;
DROP FUNCTION prediction_hash(text, text, text[]);
DROP TABLE import_documents;
ALTER TABLE imports DROP COLUMN first_position, DROP COLUMN last_position;
