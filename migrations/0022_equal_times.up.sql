-- Of reviews with equal times, the one with the greater id counts, compared as a number; before, the one that arrived later counted.
-- Of two references of one source, the longer one has the greater number.

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
COMMENT ON FUNCTION accepted_values IS 'The latest accepted value of each field of a document at a position: of its events up to there the one with the greatest occurred_at, and of equal times the one with the greatest source_ref, compared as a number';
COMMENT ON TABLE annotation_events IS 'Append-only review of one field of one document. The latest accepted value as of P is the event with position <= P and the greatest occurred_at; of equal times the one with the greatest source_ref, compared as a number';

-- the states that the order of arrival decided
UPDATE annotations a
SET predicted_value = CASE WHEN s.status = 'OK' THEN s.accepted ELSE s.predicted END, accepted_value = s.accepted, spans = s.spans,
    review_status = s.status, reviewer = s.reviewer, event_position = s.position, version = a.version + 1, updated_at = clock_timestamp()
FROM (
    SELECT *,
           CASE WHEN accepted IS NULL THEN 'UNREVIEWED'
                WHEN accepted = '{}' AND coalesce(predicted, '{}') = '{}' THEN 'MISSING'
                WHEN accepted = '{}' THEN 'REJECTED'
                WHEN coalesce(predicted, '{}') = '{}' THEN 'NEW'
                WHEN predicted @> accepted AND predicted <@ accepted THEN 'OK'
                ELSE 'CORRECTED' END::review_status AS status
    FROM (
        SELECT t.document_id, t.field, l.spans, l.reviewer, l.position,
               CASE WHEN l.review_status <> 'UNREVIEWED' THEN l.value END AS accepted,
               (SELECT x.value FROM extractions x WHERE x.document_id = t.document_id AND x.field = t.field
                ORDER BY x.predicted_at DESC, x.extractor_version DESC LIMIT 1) AS predicted
        FROM (
            SELECT document_id, field, occurred_at FROM annotation_events GROUP BY document_id, field, occurred_at HAVING count(*) > 1
        ) t
        JOIN annotations c ON c.document_id = t.document_id AND c.field = t.field
        JOIN annotation_events e ON e.position = c.event_position AND e.occurred_at = t.occurred_at
        CROSS JOIN LATERAL (
            SELECT n.* FROM annotation_events n
            WHERE n.document_id = t.document_id AND n.field = t.field AND n.occurred_at = t.occurred_at
            ORDER BY octet_length(n.source_ref) DESC, n.source_ref COLLATE "C" DESC, n.source COLLATE "C" DESC
            LIMIT 1
        ) l
        WHERE l.position <> c.event_position
    ) both_values
) s
WHERE a.document_id = s.document_id AND a.field = s.field;
