//! SQL fragments that derive the current state of a field from its events and predictions.
//!
//! Imports apply them to many fields at once, reviews to one. They are macros because statements are static strings.

/// The review status for the columns `predicted` and `accepted`. Values are compared as sets, in their comparable form.
///
/// Two ASCII values that differ without their white space have different comparable forms, which take far longer to compute.
macro_rules! status {
    () => {
        "CASE WHEN accepted IS NULL THEN 'UNREVIEWED'
              WHEN accepted = '{}' AND coalesce(predicted, '{}') = '{}' THEN 'MISSING'
              WHEN accepted = '{}' THEN 'REJECTED'
              WHEN coalesce(predicted, '{}') = '{}' THEN 'NEW'
              WHEN predicted @> accepted AND predicted <@ accepted THEN 'OK'
              WHEN cardinality(predicted) = 1 AND cardinality(accepted) = 1
                   AND octet_length(predicted[1]) = length(predicted[1]) AND octet_length(accepted[1]) = length(accepted[1])
                   AND translate(predicted[1], E' \\t\\n\\r\\x0b\\x0c', '') <> translate(accepted[1], E' \\t\\n\\r\\x0b\\x0c', '')
              THEN 'CORRECTED'
              WHEN comparable_values(predicted) = comparable_values(accepted) THEN 'OK'
              ELSE 'CORRECTED' END::review_status"
    };
}

/// A subquery with the columns of the latest prediction of a field: `$document` and `$field` are SQL expressions.
macro_rules! latest_prediction {
    ($columns:literal, $document:literal, $field:literal) => {
        concat!(
            "(SELECT ",
            $columns,
            " FROM extractions x WHERE x.document_id = ",
            $document,
            " AND x.field = ",
            $field,
            " ORDER BY x.predicted_at DESC, x.extractor_version DESC LIMIT 1)"
        )
    };
}

/// The statement that updates rows of `annotations`.
///
/// `$touched` selects `document_id` and `field`. `$predicted` joins `p.value`, the latest prediction, to `t`; by default it is looked up
/// row by row. The position lock must be held, so that all events are visible.
macro_rules! derive_states {
    ($touched:literal) => {
        crate::state_sql::derive_states!(
            $touched,
            "LEFT JOIN LATERAL (
                     SELECT x.value
                     FROM extractions x
                     WHERE x.document_id = t.document_id AND x.field = t.field
                     ORDER BY x.predicted_at DESC, x.extractor_version DESC
                     LIMIT 1
                 ) p ON true"
        )
    };
    ($touched:literal, $predicted:literal) => {
        concat!(
            "INSERT INTO annotations AS a
                 (document_id, field, predicted_value, accepted_value, spans, review_status, reviewer, event_position, occurred_at)
             SELECT document_id, field, CASE WHEN status = 'OK' THEN accepted ELSE predicted END, accepted, spans, status, reviewer,
                    position, occurred_at
             FROM (
                 SELECT *, ",
            crate::state_sql::status!(),
            " AS status
                 FROM (
                     SELECT t.document_id, t.field, p.value AS predicted, e.spans, e.reviewer, e.position, e.occurred_at,
                            -- an undone review does not count
                            CASE WHEN e.review_status <> 'UNREVIEWED' THEN e.value END AS accepted
                     FROM (",
            $touched,
            ") t ",
            $predicted,
            "
                     LEFT JOIN LATERAL (
                         SELECT l.value, l.review_status, l.spans, l.reviewer, l.position, l.occurred_at
                         FROM annotation_events l
                         WHERE l.document_id = t.document_id AND l.field = t.field
                           AND (l.withdrawals IS NULL OR cardinality(l.withdrawals) % 2 = 0)
                         ORDER BY l.occurred_at DESC, octet_length(l.source_ref) DESC, l.source_ref COLLATE \"C\" DESC, l.source COLLATE \"C\" DESC
                         LIMIT 1
                     ) e ON true
                 ) both_values
             ) states
             ORDER BY document_id, field
             ON CONFLICT (document_id, field) DO UPDATE
             SET predicted_value = excluded.predicted_value, accepted_value = excluded.accepted_value, spans = excluded.spans,
                 review_status = excluded.review_status, reviewer = excluded.reviewer, event_position = excluded.event_position,
                 occurred_at = excluded.occurred_at,
                 -- a row without event and prediction is a placeholder: its first content is version 1
                 version = a.version + (a.event_position IS NOT NULL OR a.predicted_value IS NOT NULL)::int,
                 updated_at = clock_timestamp()
             WHERE (a.predicted_value, a.accepted_value, a.spans, a.review_status, a.reviewer, a.event_position)
                   IS DISTINCT FROM
                   (excluded.predicted_value, excluded.accepted_value, excluded.spans, excluded.review_status, excluded.reviewer,
                    excluded.event_position)"
        )
    };
}

pub(crate) use {derive_states, latest_prediction, status};
