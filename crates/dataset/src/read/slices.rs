//! Reads the attributes of reviewed values by which the metrics of stored predictions are computed.
//!
//! The order of the attributes and the form of their values are those of `SliceAttributes` in the crate `evaluation`.

use futures::Stream;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::read::predictions::label;
use crate::selection::Selection;

/// Documents of one field and slice that have the same accepted value and the same newest prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicedPredictions {
    pub field: String,
    /// Index of the dimension: reviewer, source, project, length of the text, date of the review, then the keys of metadata.
    pub dimension: i64,
    /// Number of values of the dimension over all fields.
    pub dimension_values: i64,
    /// The value of the dimension; `(other)` combines the values with the fewest examples.
    pub value: String,
    /// Latest accepted value as of the selection's position; empty means "no value".
    pub accepted: Vec<String>,
    /// Newest prediction of any version of the extractor, not of a published model; empty means that nothing was found.
    pub predicted: Vec<String>,
    /// Number of documents.
    pub documents: i64,
    /// Number of groups of near-duplicates whose first document within the field and the slice is in this row.
    pub groups: i64,
}

impl SlicedPredictions {
    /// The accepted value as a single label; `None` means "no value".
    #[must_use]
    pub fn accepted_label(&self) -> Option<String> {
        label(&self.accepted)
    }

    /// The predicted value as a single label; `None` if nothing was found.
    #[must_use]
    pub fn predicted_label(&self) -> Option<String> {
        label(&self.predicted)
    }
}

/// Streams counts of the same values as [`reviewed_predictions`](crate::reviewed_predictions) by slice, ordered by field, dimension and
/// value. A dimension has at most `max_values` values and `(other)`. The database counts, so that a caller needs memory for one row only.
pub fn sliced_predictions<'a>(
    conn: &'a mut PgConnection,
    selection: &'a Selection,
    metadata_keys: &'a [String],
    max_values: i64,
) -> impl Stream<Item = Result<SlicedPredictions, sqlx::Error>> + Send + 'a {
    sqlx::query_as!(
        SlicedPredictions,
        r#"
        WITH reviewed AS (
            SELECT e.document_id, e.field, e.value AS accepted, coalesce(x.value, '{}') AS predicted, s.group_key,
                ARRAY[
                    coalesce(nullif(left(e.reviewer, 100), ''), '(none)'),
                    coalesce(nullif(left(d.source, 100), ''), '(none)'),
                    left(d.source || '/' || d.project, 100),
                    CASE WHEN t.chars IS NULL THEN '(none)' WHEN t.chars < 1000 THEN 'under-1k' WHEN t.chars < 5000 THEN '1k-5k'
                        WHEN t.chars < 20000 THEN '5k-20k' WHEN t.chars < 100000 THEN '20k-100k' ELSE '100k-or-more' END,
                    to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY"-Q"Q')
                ] || ARRAY(
                    SELECT coalesce(nullif(left(c.metadata ->> k.key, 100), ''), '(none)')
                    FROM unnest($6::text[]) WITH ORDINALITY AS k (key, rank)
                    ORDER BY k.rank
                ) AS slices
            FROM (
                SELECT DISTINCT ON (document_id, field) document_id, field, value, review_status, erased, reviewer, occurred_at
                FROM annotation_events
                WHERE position <= $1 AND counts_at(withdrawals, $1) AND field = ANY($5) AND ($2::uuid[] IS NULL OR document_id = ANY($2))
                ORDER BY document_id, field, occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
            ) e
            JOIN documents d ON d.id = e.document_id
            LEFT JOIN LATERAL (
                SELECT value FROM extractions
                WHERE document_id = e.document_id AND field = e.field AND run_id IS NULL
                ORDER BY predicted_at DESC, extractor_version DESC
                LIMIT 1
            ) x ON true
            LEFT JOIN LATERAL (
                SELECT group_key, reason FROM document_splits
                WHERE document_id = e.document_id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) s ON true
            LEFT JOIN LATERAL (
                SELECT char_length(text) AS chars FROM document_texts
                WHERE document_id = e.document_id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) t ON true
            LEFT JOIN LATERAL (
                SELECT metadata FROM document_details
                WHERE document_id = e.document_id AND position <= $1
                ORDER BY version DESC
                LIMIT 1
            ) c ON true
            WHERE e.review_status <> 'UNREVIEWED' AND NOT e.erased
                AND s.reason IS DISTINCT FROM 'archived'
                AND s.reason IS DISTINCT FROM 'withdrawn'
                AND ($3::text IS NULL OR d.source = $3)
                AND ($4::text IS NULL OR d.project = $4)
        ),
        sliced AS (
            SELECT r.document_id, r.field, r.accepted, r.predicted, r.group_key, v.dimension, v.value
            FROM reviewed r, unnest(r.slices) WITH ORDINALITY AS v (value, dimension)
        ),
        ranked AS (
            SELECT dimension, value, row_number() OVER (PARTITION BY dimension ORDER BY count(*) DESC, value COLLATE "C") AS rank,
                count(*) OVER (PARTITION BY dimension) AS dimension_values
            FROM sliced
            GROUP BY dimension, value
        ),
        named AS (
            SELECT s.document_id, s.field, s.accepted, s.predicted, s.group_key, s.dimension, r.dimension_values,
                CASE WHEN r.rank <= $7 THEN s.value ELSE '(other)' END AS value
            FROM sliced s
            JOIN ranked r ON r.dimension = s.dimension AND r.value = s.value
        )
        SELECT field AS "field!", dimension - 1 AS "dimension!", max(dimension_values) AS "dimension_values!", value AS "value!",
            accepted AS "accepted!", predicted AS "predicted!", count(*) AS "documents!", count(*) FILTER (WHERE is_first) AS "groups!"
        FROM (
            SELECT *,
                group_key IS NULL OR row_number() OVER (PARTITION BY field, dimension, value, group_key ORDER BY document_id) = 1 AS is_first
            FROM named
        ) counted
        GROUP BY field, dimension, value, accepted, predicted
        ORDER BY field COLLATE "C", dimension, value COLLATE "C"
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
        metadata_keys,
        max_values,
    )
    .fetch(conn)
}

/// The slices of a reviewed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewSlices {
    pub document_id: Uuid,
    pub field: String,
    /// The value of every dimension, in the order of [`SlicedPredictions::dimension`]. None is combined.
    pub values: Vec<String>,
}

/// Reads the slices of values that were reviewed as of `position`; `documents` and `fields` are pairs.
///
/// # Errors
/// When Postgres does not answer.
pub async fn review_slices(
    conn: &mut PgConnection,
    position: i64,
    documents: &[Uuid],
    fields: &[String],
    metadata_keys: &[String],
) -> Result<Vec<ReviewSlices>, sqlx::Error> {
    sqlx::query_as!(
        ReviewSlices,
        r#"
        SELECT p.document_id AS "document_id!", p.field AS "field!",
            ARRAY[
                coalesce(nullif(left(e.reviewer, 100), ''), '(none)'),
                coalesce(nullif(left(d.source, 100), ''), '(none)'),
                left(d.source || '/' || d.project, 100),
                CASE WHEN t.chars IS NULL THEN '(none)' WHEN t.chars < 1000 THEN 'under-1k' WHEN t.chars < 5000 THEN '1k-5k'
                    WHEN t.chars < 20000 THEN '5k-20k' WHEN t.chars < 100000 THEN '20k-100k' ELSE '100k-or-more' END,
                to_char(e.occurred_at AT TIME ZONE 'UTC', 'YYYY"-Q"Q')
            ] || ARRAY(
                SELECT coalesce(nullif(left(c.metadata ->> k.key, 100), ''), '(none)')
                FROM unnest($4::text[]) WITH ORDINALITY AS k (key, rank)
                ORDER BY k.rank
            ) AS "values!"
        FROM unnest($2::uuid[], $3::text[]) AS p (document_id, field)
        JOIN documents d ON d.id = p.document_id
        JOIN LATERAL (
            SELECT reviewer, occurred_at FROM annotation_events
            WHERE document_id = p.document_id AND field = p.field AND position <= $1 AND counts_at(withdrawals, $1)
            ORDER BY occurred_at DESC, octet_length(source_ref) DESC, source_ref COLLATE "C" DESC, source COLLATE "C" DESC
            LIMIT 1
        ) e ON true
        LEFT JOIN LATERAL (
            SELECT char_length(text) AS chars FROM document_texts
            WHERE document_id = p.document_id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) t ON true
        LEFT JOIN LATERAL (
            SELECT metadata FROM document_details
            WHERE document_id = p.document_id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) c ON true
        "#,
        position,
        documents,
        fields,
        metadata_keys,
    )
    .fetch_all(conn)
    .await
}
