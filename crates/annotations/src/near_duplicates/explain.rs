//! Why a document is where it is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::AnnotationsError;
use crate::split::Split;

/// Near-duplicates that are listed; all are counted.
const LISTED: i64 = 100;

/// The split of a document from some time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SplitVersion {
    /// From 1; a later one replaces the ones before it.
    pub version: i32,
    /// The split.
    pub split: Split,
    /// Documents of one group share a split.
    pub group_key: String,
    /// `hash`, `inherited`, or why it is excluded: `bridge`.
    pub reason: String,
    /// Snapshots of this position and later ones see it.
    pub position: i64,
    /// When it was decided.
    pub since: DateTime<Utc>,
}

/// Another document with an overlapping text.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NearDuplicate {
    /// Its id.
    pub document_id: Uuid,
    /// Its source.
    pub source: String,
    /// Its project.
    pub project: String,
    /// Its id in the project.
    pub task_id: String,
    /// Shared 8-word shingles over those of the text that has fewer, 0.5 to 1; 1 for equal texts.
    pub containment: f32,
    /// Whether the texts are equal but for case and white space.
    pub equal_text: bool,
    /// Its split; absent until it has one.
    pub split: Option<Split>,
    /// Its group.
    pub group_key: Option<String>,
}

/// Why a document is in its split.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SplitExplanation {
    /// The document.
    pub document_id: Uuid,
    /// Its source.
    pub source: String,
    /// Its project.
    pub project: String,
    /// Its id in the project.
    pub task_id: String,
    /// The explanation in words, a sentence each.
    pub in_words: Vec<String>,
    /// Its splits, the current one last; empty until it has one.
    pub splits: Vec<SplitVersion>,
    /// Documents whose newest text overlaps with its newest text, the nearest first; at most 100.
    pub near_duplicates: Vec<NearDuplicate>,
    /// Number of all of them.
    pub near_duplicates_total: i64,
    /// Whether its newest text was compared with the others; when not, the next import or `aprendiz document index` does it.
    pub indexed: bool,
}

/// Explains the split of a document; `None` when there is no such document.
///
/// # Errors
/// When Postgres does not answer.
pub async fn explain(conn: &mut PgConnection, id: Uuid) -> Result<Option<SplitExplanation>, AnnotationsError> {
    let document = sqlx::query!(
        r#"
        SELECT d.source, d.project, d.task_id, k.sketch_id AS "sketch_id?"
        FROM documents d
        LEFT JOIN LATERAL (SELECT max(version) AS version FROM document_texts WHERE document_id = d.id) t ON true
        LEFT JOIN document_sketches k ON k.document_id = d.id AND k.version = t.version
        WHERE d.id = $1
        "#,
        id
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(document) = document else {
        return Ok(None);
    };
    let splits = splits_of(conn, id).await?;
    let (near_duplicates, near_duplicates_total) = match document.sketch_id {
        Some(sketch) => near_duplicates_of(conn, id, sketch).await?,
        None => (Vec::new(), 0),
    };
    let mut explanation = SplitExplanation {
        document_id: id,
        source: document.source,
        project: document.project,
        task_id: document.task_id,
        in_words: Vec::new(),
        splits,
        near_duplicates,
        near_duplicates_total,
        indexed: document.sketch_id.is_some(),
    };
    explanation.in_words = in_words(&explanation);
    Ok(Some(explanation))
}

async fn splits_of(conn: &mut PgConnection, id: Uuid) -> Result<Vec<SplitVersion>, AnnotationsError> {
    let splits = sqlx::query_as!(
        SplitVersion,
        r#"
        SELECT version, split AS "split: Split", group_key, reason, position, created_at AS since
        FROM document_splits
        WHERE document_id = $1
        ORDER BY version
        "#,
        id
    )
    .fetch_all(conn)
    .await?;
    Ok(splits)
}

async fn near_duplicates_of(conn: &mut PgConnection, id: Uuid, sketch: i32) -> Result<(Vec<NearDuplicate>, i64), AnnotationsError> {
    let rows = sqlx::query!(
        r#"
        SELECT d.id, d.source, d.project, d.task_id, near.containment AS "containment!", near.sketch_id = $2 AS "equal_text!",
               s.split AS "split?: Split", s.group_key AS "group_key?", count(*) OVER () AS "total!"
        FROM (
            SELECT $2::int AS sketch_id, 1::real AS containment
            UNION ALL
            SELECT other_id, containment
            FROM near_duplicates
            WHERE sketch_id = $2
        ) near
        JOIN document_sketches k ON k.sketch_id = near.sketch_id
        JOIN documents d ON d.id = k.document_id
        LEFT JOIN LATERAL (
            SELECT split, group_key
            FROM document_splits
            WHERE document_id = d.id
            ORDER BY version DESC
            LIMIT 1
        ) s ON true
        WHERE d.id <> $1
          AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
        ORDER BY near.containment DESC, d.id
        LIMIT $3
        "#,
        id,
        sketch,
        LISTED,
    )
    .fetch_all(conn)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let listed = rows
        .into_iter()
        .map(|row| NearDuplicate {
            document_id: row.id,
            source: row.source,
            project: row.project,
            task_id: row.task_id,
            containment: row.containment,
            equal_text: row.equal_text,
            split: row.split,
            group_key: row.group_key,
        })
        .collect();
    Ok((listed, total))
}

fn in_words(explanation: &SplitExplanation) -> Vec<String> {
    let SplitExplanation { source, project, task_id, splits, near_duplicates, near_duplicates_total, indexed, .. } = explanation;
    let name = format!("Document {source}/{project}/{task_id}");
    let mut words = Vec::new();
    let Some(current) = splits.last() else {
        words.push(format!("{name} has no split yet: it gets one at its next import."));
        return words;
    };
    let since = current.since.format("%Y-%m-%d %H:%M:%S UTC");
    words.push(match current.split {
        Split::Excluded => format!("{name} is excluded since {since}: no snapshot from position {} on holds it.", current.position),
        split => format!("{name} is in {} since {since} (position {}).", split.as_str(), current.position),
    });
    words.push(match current.reason.as_str() {
        "hash" => "When it arrived there was no near-duplicate of it, so the hash of its text decided.".to_owned(),
        "inherited" => "It took group and split of a document with the same or an overlapping text that was there before it.".to_owned(),
        "bridge" => "It overlaps with documents of different splits; kept in one of them, it would let a model be measured on what it was trained on.".to_owned(),
        other => format!("The reason is recorded as `{other}`."),
    });
    if let [.., before, _] = splits.as_slice() {
        words.push(format!("Before that it was in {} (position {}).", before.split.as_str(), before.position));
    }
    if !indexed {
        words
            .push("Its newest text was not compared with the others yet: the next import or `aprendiz document index` does it.".to_owned());
        return words;
    }
    let at_least = if *near_duplicates_total > LISTED { "at least " } else { "" };
    let in_split = |split| near_duplicates.iter().filter(|near| near.split == Some(split)).count();
    let places = [Split::Train, Split::Validation, Split::Test, Split::Excluded]
        .into_iter()
        .map(|split| (in_split(split), split.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, split)| format!("{at_least}{count} in {split}"))
        .collect::<Vec<_>>();
    words.push(match near_duplicates_total {
        0 => "No other document shares half of its 8-word shingles.".to_owned(),
        total => {
            format!("{total} other document(s) share at least half of the 8-word shingles of the smaller text: {}.", places.join(", "))
        }
    });
    words
}
