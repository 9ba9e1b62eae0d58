//! How many documents become examples, and why the others do not.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::error::DatasetError;
use crate::label::PerSplit;
use crate::selection::Selection;
use crate::split::Split;

/// Documents of a selection, counted.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) examples: PerSplit,
    /// Reason → documents: the reason of the split for an excluded document, `no_accepted_value`, `no_split`.
    pub(crate) excluded: BTreeMap<String, i64>,
}

impl Census {
    /// In words, for the error of a selection without examples.
    pub(crate) fn describe_excluded(&self) -> String {
        if self.excluded.is_empty() {
            return "there are no such documents".to_owned();
        }
        self.excluded.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
    }
}

/// Counts the documents that had a text by then.
pub(crate) async fn count_documents(conn: &mut PgConnection, selection: &Selection) -> Result<Census, DatasetError> {
    let rows = sqlx::query!(
        r#"
        SELECT CASE WHEN s.split IS NULL THEN 'no_split'
                    WHEN s.split = 'excluded' THEN s.reason
                    WHEN NOT a.reviewed THEN 'no_accepted_value'
               END AS excluded,
               nullif(s.split, 'excluded') AS "split: Split",
               count(*) AS "documents!"
        FROM documents d
        CROSS JOIN LATERAL (
            SELECT 1 AS found FROM document_texts
            WHERE document_id = d.id AND position <= $1
            LIMIT 1
        ) t
        LEFT JOIN LATERAL (
            SELECT split, reason FROM document_splits
            WHERE document_id = d.id AND position <= $1
            ORDER BY version DESC
            LIMIT 1
        ) s ON true
        CROSS JOIN LATERAL (
            SELECT EXISTS (
                SELECT FROM (
                    SELECT DISTINCT ON (field) review_status FROM annotation_events
                    WHERE document_id = d.id AND field = ANY($5) AND position <= $1
                    ORDER BY field, occurred_at DESC, position DESC
                ) latest
                WHERE review_status <> 'UNREVIEWED'
            ) AS reviewed
        ) a
        WHERE ($2::uuid[] IS NULL OR d.id = ANY($2))
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
        GROUP BY 1, 2
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch_all(conn)
    .await?;
    let mut census = Census::default();
    for row in rows {
        match (row.excluded, row.split) {
            (None, Some(split)) => census.examples.add(split, row.documents),
            (reason, _) => *census.excluded.entry(reason.unwrap_or_else(|| "no_split".to_owned())).or_default() += row.documents,
        }
    }
    Ok(census)
}
