-- Peer statement: the fastest way to copy the latest accepted value of every (document, field) with its text.
COPY (
    SELECT e.document_id, e.field, e.value, e.review_status, e.position, e.reviewer, e.occurred_at, s.split, t.text
    FROM (
        SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status, position, reviewer, occurred_at
        FROM annotation_events
        ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
    ) e
    JOIN document_texts t ON t.document_id = e.document_id
    JOIN document_splits s ON s.document_id = e.document_id
) TO STDOUT (FORMAT binary);
