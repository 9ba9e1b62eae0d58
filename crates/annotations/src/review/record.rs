//! The event of a review and the state that follows, in one transaction.
//!
//! Locks, as everywhere (`import/settle/mod.rs`): the document, then the row in `annotations`, the position lock last. So reviews of one field of
//! one document follow each other, and those of others only meet for the last three statements.

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::documents::Annotation;
use crate::fields::{Cardinality, FieldKind};
use crate::normalization::Normalization;
use crate::review::checks::{Definition, check_shape, check_spans, check_values_fit};
use crate::review::error::ReviewError;
use crate::review::lease::refuse_leased;
use crate::review::request::{Expected, NewReview, Said};
use crate::review_status::ReviewStatus;
use crate::state::{derive_states, status};

/// What became of a review.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reviewed {
    /// The state of the field after it.
    #[serde(flatten)]
    pub annotation: Annotation,
    /// Position of the event of this review.
    pub event_position: i64,
    /// Whether the state comes from it; an older review than the newest does not become current.
    pub is_current: bool,
    /// Whether the event is new; else the same review had come before.
    pub created: bool,
}

/// The event of a review that has come before.
struct Earlier {
    position: i64,
    same: bool,
}

/// Records a review and brings the current state up to date.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed soon: it holds the lock on
/// positions).
///
/// # Errors
/// As [`ReviewError`] says; nothing is changed then.
pub async fn review(conn: &mut PgConnection, mut new: NewReview) -> Result<Reviewed, ReviewError> {
    check_shape(&mut new)?;
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    hold_document(conn, new.document_id).await?;
    check_document(conn, new.document_id).await?;
    refuse_leased(conn, new.document_id, new.reviewer.as_deref()).await?;
    let definition = definition_of(conn, &new.field).await?;
    if let Said::Value(values) = &mut new.said {
        definition.normalize(values);
        check_values_fit(values, &definition)?;
    }
    check_time(conn, &mut new.occurred_at).await?;
    let spans = match new.spans.is_empty() {
        true => None,
        false => check_spans(&new.spans, &newest_text(conn, new.document_id).await?)?,
    };

    let current = lock_state(conn, new.document_id, &new.field).await?;
    let earlier = match &new.source_ref {
        Some(source_ref) => earlier(conn, &new, source_ref, spans.as_ref()).await?,
        None => None,
    };
    let (position, created) = match earlier {
        Some(Earlier { same: false, .. }) => return Err(ReviewError::ReferenceReused),
        Some(Earlier { position, .. }) => (position, false),
        None => {
            check_expected(new.expected, current.as_ref())?;
            if new.said == Said::Undone && current.as_ref().is_none_or(|current| current.accepted_value.is_none()) {
                return Err(ReviewError::NothingToUndo { document: new.document_id, field: new.field });
            }
            check_status(conn, &new).await?;
            (write(conn, &new, spans.as_ref()).await?, true)
        }
    };
    let annotation = read_state(conn, new.document_id, &new.field).await?.ok_or(sqlx::Error::RowNotFound)?;
    let is_current = event_position_of(conn, new.document_id, &new.field).await? == Some(position);
    transaction.commit().await?;
    Ok(Reviewed { annotation, event_position: position, is_current, created })
}

/// The current state of one field of one document; `None` when nothing was said about it and nothing predicted.
///
/// # Errors
/// When there is no such document or field, the document was erased, or Postgres does not answer.
pub async fn state_of(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, ReviewError> {
    check_document(conn, document).await?;
    definition_of(conn, field).await?;
    Ok(read_state(conn, document, field).await?)
}

/// An erasure waits for the end of this review, and empties what it wrote; or this waits for the erasure, and sees it in its next
/// statement.
pub(super) async fn hold_document(conn: &mut PgConnection, document: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT id FROM documents WHERE id = $1 FOR KEY SHARE", document).fetch_optional(conn).await?;
    Ok(())
}

pub(super) async fn check_document(conn: &mut PgConnection, document: Uuid) -> Result<(), ReviewError> {
    let row = sqlx::query!(
        r#"
        SELECT e.erased_at AS "erased_at?"
        FROM documents d
        LEFT JOIN erasures e ON e.document_id = d.id
        WHERE d.id = $1
        "#,
        document
    )
    .fetch_optional(conn)
    .await?;
    match row {
        None => Err(ReviewError::UnknownDocument(document)),
        Some(row) => row.erased_at.map_or(Ok(()), |erased_at| Err(ReviewError::Erased { document, erased_at })),
    }
}

pub(super) async fn definition_of(conn: &mut PgConnection, field: &str) -> Result<Definition, ReviewError> {
    let definition = sqlx::query_as!(
        Definition,
        r#"
        SELECT kind AS "kind: FieldKind", cardinality AS "cardinality: Cardinality", allowed_values,
               normalization AS "normalization: Normalization"
        FROM fields
        WHERE name = $1
        "#,
        field
    )
    .fetch_optional(conn)
    .await?;
    definition.ok_or_else(|| ReviewError::UnknownField(field.to_owned()))
}

/// A clock that is a little fast is no reason to refuse; one that is wrong would win over all later reviews.
async fn check_time(conn: &mut PgConnection, occurred_at: &mut Option<DateTime<Utc>>) -> Result<(), ReviewError> {
    let Some(at) = *occurred_at else {
        return Ok(());
    };
    let refused = |reason: &str| Err(ReviewError::Invalid { part: "occurred_at", reason: reason.to_owned() });
    if !(1..=9999).contains(&at.year()) {
        return refused("the year is not between 1 and 9999");
    }
    // as the database keeps it: what is compared later must be cut alike
    *occurred_at = DateTime::from_timestamp_micros(at.timestamp_micros());
    let ahead =
        sqlx::query_scalar!(r#"SELECT $1::timestamptz > clock_timestamp() + interval '5 minutes' AS "ahead!""#, at).fetch_one(conn).await?;
    if ahead {
        refused("it is more than 5 minutes ahead of the clock of the database: set the clock, or leave the time out")
    } else {
        Ok(())
    }
}

async fn newest_text(conn: &mut PgConnection, document: Uuid) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT text FROM document_texts WHERE document_id = $1 ORDER BY version DESC LIMIT 1", document)
        .fetch_one(conn)
        .await
}

/// Locks the state, creating a row that holds the place where there is none, and reads it.
async fn lock_state(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO annotations (document_id, field, review_status) VALUES ($1, $2, 'UNREVIEWED') ON CONFLICT DO NOTHING",
        document,
        field
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("SELECT version FROM annotations WHERE document_id = $1 AND field = $2 FOR UPDATE", document, field)
        .fetch_one(&mut *conn)
        .await?;
    // a statement of its own: it sees what the one before waited for
    read_state(conn, document, field).await
}

async fn read_state(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<Annotation>, sqlx::Error> {
    sqlx::query_as!(
        Annotation,
        r#"
        SELECT document_id, field, predicted_value, accepted_value, spans, review_status AS "review_status: ReviewStatus",
               reviewer, version, occurred_at, updated_at
        FROM annotations
        WHERE document_id = $1 AND field = $2 AND (event_position IS NOT NULL OR predicted_value IS NOT NULL)
        "#,
        document,
        field
    )
    .fetch_optional(conn)
    .await
}

async fn event_position_of(conn: &mut PgConnection, document: Uuid, field: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!("SELECT event_position FROM annotations WHERE document_id = $1 AND field = $2", document, field)
        .fetch_one(conn)
        .await
}

/// The event with this reference, and whether it says the same. The time counts only where the client gives one.
async fn earlier(
    conn: &mut PgConnection,
    new: &NewReview,
    source_ref: &str,
    spans: Option<&Value>,
) -> Result<Option<Earlier>, sqlx::Error> {
    let (value, undone) = value_of(&new.said);
    sqlx::query_as!(
        Earlier,
        r#"
        SELECT position,
               (value = $5 AND (review_status = 'UNREVIEWED') = $6 AND spans IS NOT DISTINCT FROM $7 AND note IS NOT DISTINCT FROM $8
                AND reviewer IS NOT DISTINCT FROM $9 AND ($10::timestamptz IS NULL OR occurred_at = $10)) AS "same!"
        FROM annotation_events
        WHERE document_id = $1 AND field = $2 AND source = $3 AND source_ref = $4
        ORDER BY position
        LIMIT 1
        "#,
        new.document_id,
        new.field,
        new.source,
        source_ref,
        value,
        undone,
        spans,
        new.note,
        new.reviewer,
        new.occurred_at,
    )
    .fetch_optional(conn)
    .await
}

fn check_expected(expected: Expected, current: Option<&Annotation>) -> Result<(), ReviewError> {
    let version = current.map_or(0, |current| current.version);
    let fits = match expected {
        Expected::Anything => true,
        Expected::Nothing => version == 0,
        Expected::Version(expected) => version == expected,
    };
    if fits { Ok(()) } else { Err(ReviewError::Stale { current: current.cloned().map(Box::new) }) }
}

/// The value as an event holds it, and whether it does not count.
fn value_of(said: &Said) -> (&[String], bool) {
    match said {
        Said::Value(values) => (values, false),
        Said::Undone => (&[], true),
    }
}

async fn check_status(conn: &mut PgConnection, new: &NewReview) -> Result<(), ReviewError> {
    let Some(stated) = new.status else {
        return Ok(());
    };
    let (value, undone) = value_of(&new.said);
    let row = sqlx::query(concat!(
        "SELECT ",
        status!(),
        " AS status
         FROM (
             SELECT CASE WHEN NOT $4 THEN $3::text[] END AS accepted,
                    (SELECT x.value
                     FROM extractions x
                     WHERE x.document_id = $1 AND x.field = $2
                     ORDER BY x.predicted_at DESC, x.extractor_version DESC
                     LIMIT 1) AS predicted
         ) both_values"
    ))
    .bind(new.document_id)
    .bind(&new.field)
    .bind(value)
    .bind(undone)
    .fetch_one(conn)
    .await?;
    let would_be: ReviewStatus = row.try_get("status")?;
    if stated == would_be { Ok(()) } else { Err(ReviewError::StatusContradicts { stated, would_be }) }
}

/// Writes the event and derives the state; returns the position of the event.
async fn write(conn: &mut PgConnection, new: &NewReview, spans: Option<&Value>) -> Result<i64, ReviewError> {
    // each statement sees what was committed when it begins: the lock on positions comes first, in a statement of its own
    let position = sqlx::query_scalar!(r#"SELECT next_position() AS "position!""#).fetch_one(&mut *conn).await?;
    check_document(conn, new.document_id).await?;
    let (value, undone) = value_of(&new.said);
    let own_ref;
    let source_ref = match &new.source_ref {
        Some(source_ref) => source_ref,
        None => {
            own_ref = format!("position/{position}");
            &own_ref
        }
    };
    sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, note, reviewer, actor, source, source_ref, occurred_at)
         SELECT $1, $2, $3, coalesce(accepted, '{}'), ",
        status!(),
        ", $6, $7, $8, $9, $10, $11, coalesce($12, clock_timestamp())
         FROM (
             SELECT CASE WHEN NOT $5 THEN $4::text[] END AS accepted,
                    (SELECT x.value
                     FROM extractions x
                     WHERE x.document_id = $2 AND x.field = $3
                     ORDER BY x.predicted_at DESC, x.extractor_version DESC
                     LIMIT 1) AS predicted
         ) both_values"
    ))
    .bind(position)
    .bind(new.document_id)
    .bind(&new.field)
    .bind(value)
    .bind(undone)
    .bind(spans)
    .bind(new.note.as_deref())
    .bind(new.reviewer.as_deref())
    .bind(&new.actor)
    .bind(&new.source)
    .bind(source_ref)
    .bind(new.occurred_at)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT $1::uuid AS document_id, $2::text AS field"))
        .bind(new.document_id)
        .bind(&new.field)
        .execute(conn)
        .await?;
    Ok(position)
}
