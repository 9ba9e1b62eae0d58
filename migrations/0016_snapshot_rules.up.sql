-- What belongs to a snapshot, said once. The planner writes such functions (plain SQL, STABLE, not STRICT) into the statement that
-- calls them: indexes, limits and conditions reach through.

CREATE FUNCTION text_and_split(of_document uuid, up_to bigint, recorded_at timestamptz)
RETURNS TABLE (split split, text_version int, text_sha256 text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT s.split, t.version, t.sha256
    FROM (
        SELECT version, sha256
        FROM document_texts
        WHERE document_id = of_document AND position <= up_to
        ORDER BY version DESC
        LIMIT 1
    ) t
    CROSS JOIN (
        SELECT split
        FROM document_splits
        WHERE document_id = of_document AND position <= up_to
        ORDER BY version DESC
        LIMIT 1
    ) s
    WHERE s.split <> 'excluded'
      AND NOT EXISTS (SELECT FROM erasures WHERE document_id = of_document AND erased_at <= recorded_at)
$$;
COMMENT ON FUNCTION text_and_split IS 'The last text and the split of a document at a position; no row where it has none or is excluded, or was erased before the snapshot was recorded: a later erasure leaves the row, for what it leaves of the content';

CREATE FUNCTION chosen_documents(up_to bigint, ids uuid[], of_source text, of_project text, recorded_at timestamptz)
RETURNS TABLE (id uuid, source text, project text, split split, text_version int, text_sha256 text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT d.id, d.source, d.project, p.split, p.text_version, p.text_sha256
    FROM documents d
    CROSS JOIN LATERAL text_and_split(d.id, up_to, recorded_at) p
    WHERE (ids IS NULL OR d.id = ANY(ids))
      AND (of_source IS NULL OR d.source = of_source)
      AND (of_project IS NULL OR d.project = of_project)
$$;
COMMENT ON FUNCTION chosen_documents IS 'The documents of a selection at a position, by text_and_split; whether any of its fields was reviewed is not asked';

CREATE FUNCTION accepted_values(of_document uuid, of_fields text[], up_to bigint)
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

CREATE FUNCTION snapshot_changes(
    a_position bigint, a_documents uuid[], a_source text, a_project text, a_fields text[], a_recorded_at timestamptz,
    b_position bigint, b_documents uuid[], b_source text, b_project text, b_fields text[], b_recorded_at timestamptz,
    common_fields text[]
)
RETURNS TABLE (document_id uuid, rank int, field text, old jsonb, new jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT d.id, change.rank, change.field, change.old, change.new
    -- document by document, so that a page ends when it is full
    FROM documents d
    LEFT JOIN LATERAL (
        SELECT true AS present, p.split, p.text_sha256, v.fields
        FROM text_and_split(d.id, a_position, a_recorded_at) p
        CROSS JOIN (SELECT jsonb_object_agg(field, value) AS fields FROM accepted_values(d.id, a_fields, a_position)) v
        WHERE (a_documents IS NULL OR d.id = ANY(a_documents))
          AND (a_source IS NULL OR d.source = a_source)
          AND (a_project IS NULL OR d.project = a_project)
          AND v.fields IS NOT NULL
    ) a ON true
    LEFT JOIN LATERAL (
        SELECT true AS present, p.split, p.text_sha256, v.fields
        FROM text_and_split(d.id, b_position, b_recorded_at) p
        CROSS JOIN (SELECT jsonb_object_agg(field, value) AS fields FROM accepted_values(d.id, b_fields, b_position)) v
        WHERE (b_documents IS NULL OR d.id = ANY(b_documents))
          AND (b_source IS NULL OR d.source = b_source)
          AND (b_project IS NULL OR d.project = b_project)
          AND v.fields IS NOT NULL
    ) b ON true
    CROSS JOIN LATERAL (
        SELECT 0 AS rank, '' AS field, NULL::jsonb AS old, NULL::jsonb AS new
        WHERE a.present AND b.present
        UNION ALL
        SELECT 1, '', NULL, to_jsonb(b.split)
        WHERE a.present IS NULL AND b.present
        UNION ALL
        SELECT 2, '', to_jsonb(a.split), NULL
        WHERE a.present AND b.present IS NULL
        UNION ALL
        SELECT 3, '', to_jsonb(a.split), to_jsonb(b.split)
        WHERE a.split <> b.split
        UNION ALL
        SELECT 4, '', to_jsonb(a.text_sha256), to_jsonb(b.text_sha256)
        WHERE a.text_sha256 <> b.text_sha256
        UNION ALL
        SELECT CASE WHEN x.value IS NULL THEN 5 WHEN y.value IS NULL THEN 6 ELSE 7 END, coalesce(x.key, y.key), x.value, y.value
        FROM jsonb_each(a.fields) x
        FULL JOIN jsonb_each(b.fields) y ON y.key = x.key
        WHERE a.present AND b.present
          AND coalesce(x.key, y.key) = ANY(common_fields)
          -- values are sets: another order is no change
          AND (x.value IS NULL OR y.value IS NULL OR NOT (x.value @> y.value AND y.value @> x.value))
    ) change
$$;
COMMENT ON FUNCTION snapshot_changes IS 'What is different from one selection to another, by document. Rank 0: in both, 1 added, 2 removed, 3 in another split, 4 another text, 5 labelled, 6 unlabelled, 7 relabelled; old and new are splits, hashes or lists of values';
