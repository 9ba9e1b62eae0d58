//! Applies the normalization of a field to its stored values.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{FieldKind, Normalization, Normalizer, canonical_values};
use aprendiz_db::AdvisoryLock;
use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;

use crate::array_literal::array_literal;
use crate::error::AnnotationsError;
use crate::near_duplicates;
use crate::state_sql::{derive_states, latest_prediction, status};

/// A value that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueChange {
    /// The stored value.
    pub from: Vec<String>,
    /// Its normalized form.
    pub to: Vec<String>,
    /// Number of reviews that have it now.
    pub reviews: i64,
    /// Number of predictions that have it.
    pub predictions: i64,
}

/// Result of normalizing the stored values of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NormalizedValues {
    /// Number of distinct values that changed.
    pub values: u64,
    /// Number of reviews whose value changed; each change is an event.
    pub reviews: u64,
    /// Number of predictions whose value changed.
    pub predictions: u64,
    /// The changed values that occur most often, at most 20.
    #[serde(default)]
    pub changes: Vec<ValueChange>,
    /// Whether nothing was written.
    #[serde(default)]
    pub dry_run: bool,
}

/// Maximum number of listed changes.
const MAX_LISTED_CHANGES: i64 = 20;

/// The form that the values of a field have: by its normalization, and by its kind.
struct CanonicalForm {
    normalizer: Option<Normalizer>,
    kind: FieldKind,
}

impl CanonicalForm {
    fn apply(&self, values: &[String]) -> Vec<String> {
        match &self.normalizer {
            Some(normalizer) => canonical_values(self.kind, &normalizer.apply(values)),
            None => canonical_values(self.kind, values),
        }
    }
}

/// What is known about the values of a field.
struct FieldRow {
    name: String,
    kind: FieldKind,
    allowed_values: Option<Vec<String>>,
    normalization: Option<Normalization>,
}

/// Loads the normalizers of all fields that have one, by field.
pub(crate) async fn load_normalizers(conn: &mut PgConnection) -> Result<BTreeMap<String, Normalizer>, sqlx::Error> {
    let rows = sqlx::query_as!(
        FieldRow,
        r#"
        SELECT name, kind AS "kind: FieldKind", allowed_values, normalization AS "normalization: Normalization"
        FROM fields
        WHERE normalization IS NOT NULL OR allowed_values IS NOT NULL OR kind = 'categorical'
        "#
    )
    .fetch_all(conn)
    .await?;
    let normalizer = |row: &FieldRow| Normalizer::for_field(row.kind, row.normalization.as_ref(), row.allowed_values.as_deref());
    Ok(rows.into_iter().filter_map(|row| Some((normalizer(&row)?, row))).map(|(normalizer, row)| (row.name, normalizer)).collect())
}

/// Normalizes the stored values of a field. A changed review keeps its reviewer; the change is an event of `actor`, and the original value
/// remains in the history. Idempotent. With `dry_run` nothing is written.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in one. Then commit soon: it holds the position lock.
///
/// # Errors
/// When the field has neither a normalization nor the kind number or date, or Postgres is unavailable; nothing is changed then.
pub async fn normalize_values(
    conn: &mut PgConnection,
    field: &str,
    actor: &str,
    dry_run: bool,
) -> Result<NormalizedValues, AnnotationsError> {
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    // an erasure takes this lock first, too: otherwise it would wait for our rows while it holds the position lock
    near_duplicates::lock(conn).await?;
    let normalizer = load_normalizers(conn).await?.remove(field);
    let known =
        sqlx::query!(r#"SELECT kind AS "kind: FieldKind", normalization IS NOT NULL AS "has_rules!" FROM fields WHERE name = $1"#, field)
            .fetch_optional(&mut *conn)
            .await?;
    let (kind, has_rules) = known.map_or((FieldKind::Text, false), |known| (known.kind, known.has_rules));
    let form = CanonicalForm { normalizer, kind };
    if !has_rules && !matches!(form.kind, FieldKind::Number | FieldKind::Date) {
        let reason = "it has no normalization: declare one first".to_owned();
        transaction.rollback().await?;
        return Err(AnnotationsError::InvalidDefinition { field: field.to_owned(), reason });
    }
    let (old, new) = changed_values(conn, field, &form).await?;
    let mut result = NormalizedValues { values: old.len() as u64, dry_run, ..NormalizedValues::default() };
    if old.is_empty() {
        // explicit, because a dropped transaction sends its rollback only with the next statement and holds the lock until then
        transaction.rollback().await?;
        return Ok(result);
    }
    result.changes = count_changes(conn, field, &old, &new).await?;
    sqlx::raw_sql("CREATE TEMPORARY TABLE rewritten (document_id uuid NOT NULL, accepted text[]) ON COMMIT DROP")
        .execute(&mut *conn)
        .await?;
    // lock order: rows first, positions last
    result.predictions = rewrite_rows(conn, field, &old, &new).await?;
    AdvisoryLock::Positions.lock(conn).await?;
    result.reviews = write_events(conn, field, actor).await?;
    sqlx::query(derive_states!("SELECT DISTINCT document_id, $1::text AS field FROM rewritten")).bind(field).execute(&mut *conn).await?;
    sqlx::raw_sql("DROP TABLE rewritten").execute(&mut *conn).await?;
    if dry_run {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    Ok(result)
}

/// Returns the distinct stored values that change, old and new, as array literals.
async fn changed_values(conn: &mut PgConnection, field: &str, form: &CanonicalForm) -> Result<(Vec<String>, Vec<String>), sqlx::Error> {
    let mut stored = sqlx::query_scalar!(
        r#"
        SELECT accepted_value AS "value!" FROM annotations WHERE field = $1 AND cardinality(accepted_value) > 0
        UNION
        SELECT value FROM extractions WHERE field = $1 AND cardinality(value) > 0
        "#,
        field
    )
    .fetch(conn);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    while let Some(value) = stored.try_next().await? {
        let normal = form.apply(&value);
        if normal != value {
            old.push(array_literal(&value));
            new.push(array_literal(&normal));
        }
    }
    Ok((old, new))
}

/// Counts how often the changed values occur, most frequent first.
async fn count_changes(conn: &mut PgConnection, field: &str, old: &[String], new: &[String]) -> Result<Vec<ValueChange>, sqlx::Error> {
    sqlx::query_as!(
        ValueChange,
        r#"
        SELECT w.old::text[] AS "from!", w.new::text[] AS "to!", coalesce(a.reviews, 0) AS "reviews!", coalesce(x.predictions, 0) AS "predictions!"
        FROM unnest($2::text[], $3::text[]) AS w (old, new)
        LEFT JOIN (SELECT accepted_value, count(*) AS reviews FROM annotations WHERE field = $1 GROUP BY accepted_value) a
                  ON a.accepted_value = w.old::text[]
        LEFT JOIN (SELECT value, count(*) AS predictions FROM extractions WHERE field = $1 GROUP BY value) x ON x.value = w.old::text[]
        ORDER BY 3 DESC, 4 DESC, w.old
        LIMIT $4
        "#,
        field,
        old,
        new,
        MAX_LISTED_CHANGES
    )
    .fetch_all(conn)
    .await
}

/// Fills `rewritten`, updates predictions, and locks the affected states. Returns the number of predictions.
async fn rewrite_rows(conn: &mut PgConnection, field: &str, old: &[String], new: &[String]) -> Result<u64, sqlx::Error> {
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
    .bind(old)
    .bind(new)
    .execute(&mut *conn)
    .await?;
    let predictions = sqlx::query(
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
    .bind(old)
    .bind(new)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query(
        "SELECT count(*)
         FROM (
             SELECT
             FROM annotations
             WHERE field = $1 AND document_id IN (SELECT document_id FROM rewritten)
             ORDER BY document_id
             FOR UPDATE
         ) locked",
    )
    .bind(field)
    .execute(conn)
    .await?;
    Ok(predictions)
}

/// Writes an event for every review in `rewritten`. Returns their number.
async fn write_events(conn: &mut PgConnection, field: &str, actor: &str) -> Result<u64, sqlx::Error> {
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, reviewer, source, source_ref, occurred_at, actor)
         SELECT nextval('positions'), document_id, $1, accepted, ",
        status!(),
        ", spans, reviewer, 'aprendiz', 'normalize:' || replaced, occurred_at, $2
         FROM (
             SELECT r.document_id, r.accepted, a.spans, a.reviewer, a.event_position AS replaced,
                    greatest(clock_timestamp(), a.occurred_at + interval '1 microsecond') AS occurred_at, ",
        latest_prediction!("x.value", "r.document_id", "$1"),
        " AS predicted
             FROM rewritten r
             JOIN annotations a ON a.document_id = r.document_id AND a.field = $1
             WHERE r.accepted IS NOT NULL
             ORDER BY r.document_id
         ) ordered"
    ))
    .bind(field)
    .bind(actor)
    .execute(conn)
    .await?;
    Ok(events.rows_affected())
}
