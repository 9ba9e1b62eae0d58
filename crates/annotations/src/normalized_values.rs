//! Values as the normalisation of their field writes them: those that arrive, and those that are there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;

use crate::array_literal::array_literal;
use crate::error::AnnotationsError;
use crate::near_duplicates;
use crate::normalization::{Normalization, Normalizer};
use crate::state::{derive_states, status};

/// What writing the values anew did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NormalizedValues {
    /// Ways of writing that became another.
    pub values: u64,
    /// Reviews whose value is written otherwise now, each by an event.
    pub reviews: u64,
    /// Predictions whose value is written otherwise now.
    pub predictions: u64,
}

/// The fields whose values are to be written in one way, with how.
pub(crate) async fn normalizers(conn: &mut PgConnection) -> Result<BTreeMap<String, Normalizer>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT name, allowed_values, normalization AS "normalization!: Normalization"
        FROM fields
        WHERE normalization IS NOT NULL
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, Normalizer::new(&row.normalization, row.allowed_values.as_deref()))).collect())
}

/// Writes the values of a field that are there as its normalisation says. A review keeps its reviewer; that its value is written
/// otherwise is an event of `actor`, and what was said first stays in the history. A second call finds nothing to do.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed soon: it holds the lock on
/// positions).
///
/// # Errors
/// When the field has no normalisation, or Postgres does not answer; nothing is changed then.
pub async fn normalize_values(conn: &mut PgConnection, field: &str, actor: &str) -> Result<NormalizedValues, AnnotationsError> {
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    // an erasure takes it first, too: it would wait for our rows while it holds the lock on positions
    near_duplicates::lock(conn).await?;
    let Some(normalizer) = normalizers(conn).await?.remove(field) else {
        let reason = "it has no normalisation: declare one first".to_owned();
        transaction.rollback().await?;
        return Err(AnnotationsError::InvalidDefinition { field: field.to_owned(), reason });
    };
    let known = sqlx::query_scalar!(
        r#"
        SELECT accepted_value AS "value!" FROM annotations WHERE field = $1 AND cardinality(accepted_value) > 0
        UNION
        SELECT value FROM extractions WHERE field = $1 AND cardinality(value) > 0
        "#,
        field
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for value in known {
        let normal = normalizer.apply(&value);
        if normal != value {
            old.push(array_literal(&value));
            new.push(array_literal(&normal));
        }
    }
    let mut done = NormalizedValues { values: old.len() as u64, ..NormalizedValues::default() };
    if old.is_empty() {
        // not left to the drop, which sends it with the next statement only: until then the lock would be held
        transaction.rollback().await?;
        return Ok(done);
    }
    sqlx::raw_sql("CREATE TEMPORARY TABLE rewritten (document_id uuid NOT NULL, accepted text[]) ON COMMIT DROP")
        .execute(&mut *conn)
        .await?;
    // rows first, the lock on positions last, as everywhere
    sqlx::query(
        "INSERT INTO rewritten (document_id, accepted)
         SELECT a.document_id, w.new::text[]
         FROM annotations a
         JOIN unnest($2::text[], $3::text[]) AS w (old, new) ON a.accepted_value = w.old::text[]
         WHERE a.field = $1
         ORDER BY a.document_id
         FOR UPDATE OF a",
    )
    .bind(field)
    .bind(&old)
    .bind(&new)
    .execute(&mut *conn)
    .await?;
    done.predictions = sqlx::query(
        "WITH changed AS (
             UPDATE extractions x
             SET value = w.new::text[]
             FROM unnest($2::text[], $3::text[]) AS w (old, new)
             WHERE x.field = $1 AND x.value = w.old::text[]
             RETURNING x.document_id
         )
         INSERT INTO rewritten (document_id) SELECT document_id FROM changed",
    )
    .bind(field)
    .bind(&old)
    .bind(&new)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query("SELECT count(*) FROM (SELECT FROM annotations WHERE field = $1 AND document_id IN (SELECT document_id FROM rewritten) ORDER BY document_id FOR UPDATE) locked")
        .bind(field)
        .execute(&mut *conn)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock(7020641, 1)").execute(&mut *conn).await?;
    done.reviews = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, $1, accepted, ",
        status!(),
        ", spans, reviewer, 'aprendiz', 'normalize:' || replaced, occurred_at, $2
         FROM (
             SELECT r.document_id, r.accepted, a.spans, a.reviewer, a.event_position AS replaced,
                    greatest(clock_timestamp(), a.occurred_at + interval '1 microsecond') AS occurred_at,
                    (SELECT x.value
                     FROM extractions x
                     WHERE x.document_id = r.document_id AND x.field = $1
                     ORDER BY x.predicted_at DESC, x.extractor_version DESC
                     LIMIT 1) AS predicted
             FROM rewritten r
             JOIN annotations a ON a.document_id = r.document_id AND a.field = $1
             WHERE r.accepted IS NOT NULL
             ORDER BY r.document_id
         ) ordered"
    ))
    .bind(field)
    .bind(actor)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query(derive_states!("SELECT DISTINCT document_id, $1::text AS field FROM rewritten")).bind(field).execute(&mut *conn).await?;
    sqlx::raw_sql("DROP TABLE rewritten").execute(&mut *conn).await?;
    transaction.commit().await?;
    Ok(done)
}
