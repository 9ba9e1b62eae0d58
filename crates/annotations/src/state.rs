//! The SQL by which the current state of a field of a document follows from its events and predictions: one rule for the importer,
//! which applies it to many at once, and for a single review.
//!
//! Macros, because statements are static strings. Values are compared as sets.

/// The review status of columns `predicted` and `accepted`.
macro_rules! status {
    () => {
        "CASE WHEN accepted IS NULL THEN 'UNREVIEWED'
              WHEN accepted = '{}' AND coalesce(predicted, '{}') = '{}' THEN 'MISSING'
              WHEN accepted = '{}' THEN 'REJECTED'
              WHEN coalesce(predicted, '{}') = '{}' THEN 'NEW'
              WHEN predicted @> accepted AND predicted <@ accepted THEN 'OK'
              ELSE 'CORRECTED' END::review_status"
    };
}

/// The statement that brings rows of `annotations` up to date.
///
/// `$touched` selects `document_id` and `field`; `$predicted` joins `p.value`, the newest prediction, to `t`: looked up row by row where
/// nobody has them at hand. The position lock must be held: what is read of the events is then all there is.
macro_rules! derive_states {
    ($touched:literal) => {
        crate::state::derive_states!(
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
            crate::state::status!(),
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
                         ORDER BY l.occurred_at DESC, l.position DESC
                         LIMIT 1
                     ) e ON true
                 ) both_values
             ) states
             ORDER BY document_id, field
             ON CONFLICT (document_id, field) DO UPDATE
             SET predicted_value = excluded.predicted_value, accepted_value = excluded.accepted_value, spans = excluded.spans,
                 review_status = excluded.review_status, reviewer = excluded.reviewer, event_position = excluded.event_position,
                 occurred_at = excluded.occurred_at,
                 -- a row without event and prediction only holds the place: its first content is version 1
                 version = a.version + (a.event_position IS NOT NULL OR a.predicted_value IS NOT NULL)::int,
                 updated_at = clock_timestamp()
             WHERE (a.predicted_value, a.accepted_value, a.spans, a.review_status, a.reviewer, a.event_position)
                   IS DISTINCT FROM
                   (excluded.predicted_value, excluded.accepted_value, excluded.spans, excluded.review_status, excluded.reviewer,
                    excluded.event_position)"
        )
    };
}

pub(crate) use {derive_states, status};
