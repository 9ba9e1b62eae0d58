-- states that changed stay as they are: the next review or import of their field derives them again
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
        ORDER BY field, occurred_at DESC, position DESC
    ) e
    -- an undone review is none
    WHERE e.review_status <> 'UNREVIEWED'
$$;
COMMENT ON FUNCTION accepted_values IS 'The latest accepted value of each field of a document at a position: of its events up to there the one with the greatest (occurred_at, position)';
COMMENT ON TABLE annotation_events IS 'Append-only review of one field of one document. The latest accepted value as of P is the event with position <= P and the greatest (occurred_at, position)';
