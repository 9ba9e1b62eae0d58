//! Reads comparisons of a challenger with the champion, and which of the two was right.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// Two versions of a model, and optionally one field.
#[derive(Debug, Clone, Copy)]
pub struct ShadowFilter<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Number of the version that answered.
    pub champion: i32,
    /// Number of the version that was compared with it.
    pub challenger: i32,
    /// Only this field.
    pub field: Option<&'a str>,
}

/// Compared inputs of a field for which the champion answered a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowCount {
    /// The field.
    pub field: String,
    /// The class; empty = "no value".
    pub class: Vec<String>,
    /// Compared inputs.
    pub compared: i64,
    /// Those with different values.
    pub disagreed: i64,
}

/// Disagreements of a field for which a reviewer gave the value afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowJudgement {
    /// The field.
    pub field: String,
    /// The champion has the value of the reviewer.
    pub champion_right: i64,
    /// The challenger has the value of the reviewer.
    pub challenger_right: i64,
    /// Neither has it.
    pub both_wrong: i64,
    /// Both have it: their values differ only in their spelling.
    pub both_right: i64,
}

/// A disagreement.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ShadowDisagreement {
    /// Its number; newer ones have greater numbers.
    #[serde(skip)]
    pub id: i64,
    /// The field.
    pub field: String,
    /// SHA-256 of the text.
    pub input_sha256: String,
    /// Value of the champion; an empty list means "no value".
    pub champion_value: Vec<String>,
    /// Its confidence, 0 to 1.
    pub champion_confidence: f64,
    /// Whether its confidence reached the threshold.
    pub champion_answered: bool,
    /// Value of the challenger; an empty list means "no value".
    pub challenger_value: Vec<String>,
    /// Its confidence, 0 to 1.
    pub challenger_confidence: f64,
    /// Whether its confidence reached the threshold.
    pub challenger_answered: bool,
    /// When the input was first compared.
    pub at: DateTime<Utc>,
    /// Value that a reviewer gave afterwards to a document with this text; null if none did.
    pub reviewed: Option<Vec<String>>,
}

/// Counts the comparisons by field and class of the champion, ordered by both.
///
/// # Errors
/// When Postgres does not answer.
pub async fn count_shadow(conn: &mut PgConnection, filter: ShadowFilter<'_>) -> Result<Vec<ShadowCount>, RunsError> {
    let counts = sqlx::query_as!(
        ShadowCount,
        r#"
        SELECT field, class, sum(compared)::bigint AS "compared!", sum(disagreed)::bigint AS "disagreed!"
        FROM shadow_counts
        WHERE model = $1 AND champion = $2 AND challenger = $3 AND ($4::text IS NULL OR field = $4)
        GROUP BY field, class
        ORDER BY field, class
        "#,
        filter.model,
        filter.champion,
        filter.challenger,
        filter.field
    )
    .fetch_all(conn)
    .await?;
    Ok(counts)
}

/// Counts the inputs that were not compared, by reason.
///
/// # Errors
/// When Postgres does not answer.
pub async fn count_shadow_drops(conn: &mut PgConnection, filter: ShadowFilter<'_>) -> Result<Vec<(String, i64)>, RunsError> {
    let drops = sqlx::query!(
        r#"
        SELECT reason, sum(dropped)::bigint AS "dropped!"
        FROM shadow_drops
        WHERE model = $1 AND champion = $2 AND challenger = $3
        GROUP BY reason
        ORDER BY reason
        "#,
        filter.model,
        filter.champion,
        filter.challenger
    )
    .fetch_all(conn)
    .await?;
    Ok(drops.into_iter().map(|row| (row.reason, row.dropped)).collect())
}

/// Counts, by field, which version was right where a reviewer gave the value later to a document whose current text is the input.
///
/// An earlier review does not count: a version may have learned from it. Of several documents with the text, the latest review counts.
///
/// # Errors
/// When Postgres does not answer.
pub async fn judge_shadow(conn: &mut PgConnection, filter: ShadowFilter<'_>) -> Result<Vec<ShadowJudgement>, RunsError> {
    let judgements = sqlx::query_as!(
        ShadowJudgement,
        r#"
        SELECT field,
            count(*) FILTER (WHERE champion AND NOT challenger) AS "champion_right!",
            count(*) FILTER (WHERE challenger AND NOT champion) AS "challenger_right!",
            count(*) FILTER (WHERE NOT champion AND NOT challenger) AS "both_wrong!",
            count(*) FILTER (WHERE champion AND challenger) AS "both_right!"
        FROM (
            SELECT s.field,
                comparable_values(s.champion_value) = comparable_values(r.accepted_value) AS champion,
                comparable_values(s.challenger_value) = comparable_values(r.accepted_value) AS challenger
            FROM shadow_disagreements s
            CROSS JOIN LATERAL (
                SELECT a.accepted_value
                FROM documents d
                JOIN annotations a ON a.document_id = d.id AND a.field = s.field
                WHERE d.checksum = s.input_sha256 AND a.accepted_value IS NOT NULL AND a.occurred_at > s.at
                ORDER BY a.occurred_at DESC, a.event_position DESC
                LIMIT 1
            ) r
            WHERE s.model = $1 AND s.champion = $2 AND s.challenger = $3 AND ($4::text IS NULL OR s.field = $4)
        ) judged
        GROUP BY field
        ORDER BY field
        "#,
        filter.model,
        filter.champion,
        filter.challenger,
        filter.field
    )
    .fetch_all(conn)
    .await?;
    Ok(judgements)
}

/// Lists disagreements, newest first; `before` is the number of the last one of the previous page.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_shadow_disagreements(
    conn: &mut PgConnection,
    filter: ShadowFilter<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<ShadowDisagreement>, RunsError> {
    let disagreements = sqlx::query_as!(
        ShadowDisagreement,
        r#"
        SELECT s.id, s.field, s.input_sha256, s.champion_value, s.champion_confidence, s.champion_answered,
            s.challenger_value, s.challenger_confidence, s.challenger_answered, s.at,
            (
                SELECT a.accepted_value
                FROM documents d
                JOIN annotations a ON a.document_id = d.id AND a.field = s.field
                WHERE d.checksum = s.input_sha256 AND a.accepted_value IS NOT NULL AND a.occurred_at > s.at
                ORDER BY a.occurred_at DESC, a.event_position DESC
                LIMIT 1
            ) AS reviewed
        FROM shadow_disagreements s
        WHERE s.model = $1 AND s.champion = $2 AND s.challenger = $3 AND ($4::text IS NULL OR s.field = $4)
          AND ($5::bigint IS NULL OR s.id < $5)
        ORDER BY s.id DESC
        LIMIT $6
        "#,
        filter.model,
        filter.champion,
        filter.challenger,
        filter.field,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(disagreements)
}
