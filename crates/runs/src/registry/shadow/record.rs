//! Records comparisons of a challenger with the champion, and inputs that were not compared.

use std::collections::{BTreeMap, BTreeSet};

use aprendiz_db::AdvisoryLock;
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;

/// What a version answers for a field of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowAnswer {
    /// Predicted value; `None` = no value.
    pub value: Option<String>,
    /// Its probability, 0 to 1.
    pub confidence: f64,
    /// Whether the confidence reaches the threshold.
    pub answered: bool,
}

/// The answers of two versions for a field of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowComparison {
    /// SHA-256 of the text, lower-case hex.
    pub input_sha256: String,
    /// The field.
    pub field: String,
    /// Answer of the champion.
    pub champion: ShadowAnswer,
    /// Answer of the challenger.
    pub challenger: ShadowAnswer,
}

/// Why an input was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ShadowDrop {
    /// The queue of the server was full.
    QueueFull,
    /// The challenger could not predict, or the result could not be stored.
    Failed,
}

impl ShadowDrop {
    /// Name in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Failed => "failed",
        }
    }
}

/// Records comparisons of two versions of a model: counts of all, and one row per input and field with different values. The row of an
/// input that was recorded before stays as it is.
///
/// Leaves out disagreements about texts of erased documents, and excludes a concurrent erasure: it deletes what was recorded before.
///
/// # Errors
/// When Postgres does not answer, or a version does not exist.
pub async fn record_shadow(
    conn: &mut PgConnection,
    model: &str,
    champion: i32,
    challenger: i32,
    comparisons: &[ShadowComparison],
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    AdvisoryLock::Erasure.lock_shared(&mut tx).await?;
    record_counts(&mut tx, model, champion, challenger, comparisons).await?;
    record_disagreements(&mut tx, model, champion, challenger, comparisons).await?;
    tx.commit().await?;
    Ok(())
}

async fn record_counts(
    conn: &mut PgConnection,
    model: &str,
    champion: i32,
    challenger: i32,
    comparisons: &[ShadowComparison],
) -> Result<(), RunsError> {
    // ordered, so that two servers lock the rows in the same order
    let mut counts: BTreeMap<(&str, Option<&str>), (i64, i64)> = BTreeMap::new();
    for comparison in comparisons {
        let (compared, disagreed) = counts.entry((&comparison.field, comparison.champion.value.as_deref())).or_default();
        *compared += 1;
        *disagreed += i64::from(comparison.champion.value != comparison.challenger.value);
    }
    let fields: Vec<String> = counts.keys().map(|(field, _)| (*field).to_owned()).collect();
    let classes: Vec<Option<String>> = counts.keys().map(|(_, class)| class.map(str::to_owned)).collect();
    let (compared, disagreed): (Vec<i64>, Vec<i64>) = counts.values().copied().unzip();
    sqlx::query!(
        r#"
        INSERT INTO shadow_counts AS s (model, champion, challenger, field, class, day, compared, disagreed)
        SELECT $1, $2, $3, c.field, array_remove(ARRAY[c.class], NULL),
            (statement_timestamp() AT TIME ZONE 'UTC')::date, c.compared, c.disagreed
        FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bigint[]) WITH ORDINALITY AS c (field, class, compared, disagreed, rank)
        ORDER BY c.rank
        ON CONFLICT (model, champion, challenger, field, class, day) DO UPDATE
        SET compared = s.compared + excluded.compared, disagreed = s.disagreed + excluded.disagreed
        "#,
        model,
        champion,
        challenger,
        &fields,
        &classes as &[Option<String>],
        &compared,
        &disagreed
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn record_disagreements(
    conn: &mut PgConnection,
    model: &str,
    champion: i32,
    challenger: i32,
    comparisons: &[ShadowComparison],
) -> Result<(), RunsError> {
    let mut seen = BTreeSet::new();
    let mut disagreements: Vec<&ShadowComparison> = comparisons
        .iter()
        .filter(|comparison| comparison.champion.value != comparison.challenger.value)
        .filter(|comparison| seen.insert((&comparison.field, &comparison.input_sha256)))
        .collect();
    if disagreements.is_empty() {
        return Ok(());
    }
    // one order on all servers, as for the counts
    disagreements.sort_by_key(|comparison| (&comparison.field, &comparison.input_sha256));
    let texts = |select: fn(&ShadowComparison) -> &String| -> Vec<String> { disagreements.iter().map(|row| select(row).clone()).collect() };
    let values = |select: fn(&ShadowComparison) -> &ShadowAnswer| -> Vec<Option<String>> {
        disagreements.iter().map(|row| select(row).value.clone()).collect()
    };
    let confidences =
        |select: fn(&ShadowComparison) -> &ShadowAnswer| -> Vec<f64> { disagreements.iter().map(|row| select(row).confidence).collect() };
    let answered =
        |select: fn(&ShadowComparison) -> &ShadowAnswer| -> Vec<bool> { disagreements.iter().map(|row| select(row).answered).collect() };
    sqlx::query!(
        r#"
        INSERT INTO shadow_disagreements (
            model, champion, challenger, field, input_sha256,
            champion_value, champion_confidence, champion_answered, challenger_value, challenger_confidence, challenger_answered
        )
        SELECT $1, $2, $3, d.field, d.input,
            array_remove(ARRAY[d.a_value], NULL), d.a_confidence, d.a_answered,
            array_remove(ARRAY[d.b_value], NULL), d.b_confidence, d.b_answered
        FROM unnest($4::text[], $5::text[], $6::text[], $7::float8[], $8::bool[], $9::text[], $10::float8[], $11::bool[])
            WITH ORDINALITY AS d (field, input, a_value, a_confidence, a_answered, b_value, b_confidence, b_answered, rank)
        WHERE NOT EXISTS (
            SELECT FROM erasures e JOIN document_texts t ON t.document_id = e.document_id WHERE t.sha256 = d.input
        )
        ORDER BY d.rank
        ON CONFLICT (model, champion, challenger, field, input_sha256) DO NOTHING
        "#,
        model,
        champion,
        challenger,
        &texts(|row| &row.field),
        &texts(|row| &row.input_sha256),
        &values(|row| &row.champion) as &[Option<String>],
        &confidences(|row| &row.champion),
        &answered(|row| &row.champion),
        &values(|row| &row.challenger) as &[Option<String>],
        &confidences(|row| &row.challenger),
        &answered(|row| &row.challenger)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds inputs that were not compared.
///
/// # Errors
/// When Postgres does not answer, or a version does not exist.
pub async fn record_shadow_drops(
    conn: &mut PgConnection,
    model: &str,
    champion: i32,
    challenger: i32,
    reason: ShadowDrop,
    dropped: i64,
) -> Result<(), RunsError> {
    sqlx::query!(
        r#"
        INSERT INTO shadow_drops AS s (model, champion, challenger, day, reason, dropped)
        VALUES ($1, $2, $3, (statement_timestamp() AT TIME ZONE 'UTC')::date, $4, $5)
        ON CONFLICT (model, champion, challenger, day, reason) DO UPDATE SET dropped = s.dropped + excluded.dropped
        "#,
        model,
        champion,
        challenger,
        reason.as_str(),
        dropped
    )
    .execute(conn)
    .await?;
    Ok(())
}
