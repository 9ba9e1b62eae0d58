//! Records a review: the event and the resulting state, in one transaction.
//!
//! Lock order, as for all writers: the document, then the row in `annotations`, the position lock last. Reviews of the same field of a
//! document are serialized; other reviews only contend for the last three statements.

use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use aprendiz_db::run_blocking;

use crate::clock::read_clock;
use crate::documents::Annotation;
use crate::reviews::definition::load_definition;
use crate::reviews::duplicate::{Duplicate, find_duplicate};
use crate::reviews::error::ReviewError;
use crate::reviews::lease::check_lease;
use crate::reviews::lock::{check_document, lock_document};
use crate::reviews::new_review::{Decision, Expected, NewReview};
use crate::reviews::spans::resolve_spans;
use crate::reviews::state::{lock_state, read_event_position, read_state};
use crate::reviews::validate::{check_shape, invalid};
use crate::state_sql::{derive_states, latest_prediction, status};
use aprendiz_annotation_types::ReviewStatus;

/// Result of recording a review.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RecordedReview {
    /// Resulting state of the field.
    #[serde(flatten)]
    pub annotation: Annotation,
    /// Position of the event of this review.
    pub event_position: i64,
    /// Whether the state comes from it. A review older than the latest one does not become current.
    pub is_current: bool,
    /// Whether the event is new; otherwise the same review was recorded before.
    pub created: bool,
}

/// Records a review and updates the current state.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in one. Then commit soon: it holds the position lock.
///
/// # Errors
/// See [`ReviewError`]; nothing is changed then.
pub async fn record_review(conn: &mut PgConnection, mut new: NewReview) -> Result<RecordedReview, ReviewError> {
    check_shape(&mut new)?;
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    lock_document(conn, new.document_id).await?;
    check_document(conn, new.document_id).await?;
    check_lease(conn, new.document_id, new.reviewer.as_deref()).await?;
    let definition = load_definition(conn, &new.field).await?;
    if let Decision::Set(values) = &mut new.decision {
        definition.normalize(values);
        definition.check_values(values)?;
    }
    check_time(conn, &mut new.occurred_at).await?;
    let spans = match new.spans.is_empty() {
        true => None,
        false => {
            let (spans, text) = (std::mem::take(&mut new.spans), latest_text(conn, new.document_id).await?);
            // a long text is indexed before it is searched, which would delay all other requests
            run_blocking(move || resolve_spans(&spans, &text)).await?
        }
    };

    let current = lock_state(conn, new.document_id, &new.field).await?;
    let duplicate = match &new.source_ref {
        Some(source_ref) => find_duplicate(conn, &new, source_ref, spans.as_ref()).await?,
        None => None,
    };
    let (position, created) = match duplicate {
        Some(Duplicate { same: false, .. }) => return Err(ReviewError::ReferenceReused),
        Some(Duplicate { position, .. }) => (position, false),
        None => {
            check_expected(new.expected, current.as_ref())?;
            if new.decision == Decision::Undo && current.as_ref().is_none_or(|current| current.accepted_value.is_none()) {
                return Err(ReviewError::NothingToUndo { document: new.document_id, field: new.field });
            }
            check_status(conn, &new).await?;
            let seen = current.as_ref().and_then(|current| current.occurred_at);
            (write_event(conn, &new, spans.as_ref(), seen).await?, true)
        }
    };
    let missing = || ReviewError::MissingState { document: new.document_id, field: new.field.clone() };
    let annotation = read_state(conn, new.document_id, &new.field).await?.ok_or_else(missing)?;
    let is_current = read_event_position(conn, new.document_id, &new.field).await? == Some(position);
    transaction.commit().await?;
    Ok(RecordedReview { annotation, event_position: position, is_current, created })
}

/// Rejects a time in the future, which would win over all later reviews; tolerates a clock that is slightly fast. Rounds the time.
async fn check_time(conn: &mut PgConnection, occurred_at: &mut Option<DateTime<Utc>>) -> Result<(), ReviewError> {
    let Some(at) = *occurred_at else {
        return Ok(());
    };
    if !(1..=9999).contains(&at.year()) {
        return Err(invalid("occurred_at", "the year is not between 1 and 9999"));
    }
    // the resolution of the database, so that later comparisons are exact
    *occurred_at = DateTime::from_timestamp_micros(at.timestamp_micros());
    read_clock(conn).await?.check(at).map_err(|reason| invalid("occurred_at", format!("{reason}; correct the clock, or omit the time")))
}

async fn latest_text(conn: &mut PgConnection, document: Uuid) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT text FROM document_texts WHERE document_id = $1 ORDER BY version DESC LIMIT 1", document)
        .fetch_one(conn)
        .await
}

fn check_expected(expected: Expected, current: Option<&Annotation>) -> Result<(), ReviewError> {
    let version = current.map_or(0, |current| current.version);
    let matches = match expected {
        Expected::Anything => true,
        Expected::Nothing => version == 0,
        Expected::Version(expected) => version == expected,
    };
    if matches { Ok(()) } else { Err(ReviewError::Stale { current: current.cloned().map(Box::new) }) }
}

/// Checks the status given by the client, if any.
async fn check_status(conn: &mut PgConnection, new: &NewReview) -> Result<(), ReviewError> {
    let Some(stated) = new.status else {
        return Ok(());
    };
    let (value, undone) = new.event_value();
    let row = sqlx::query(concat!(
        "SELECT ",
        status!(),
        " AS status
         FROM (SELECT CASE WHEN NOT $4 THEN $3::text[] END AS accepted, ",
        latest_prediction!("x.value", "$1", "$2"),
        " AS predicted) both_values"
    ))
    .bind(new.document_id)
    .bind(&new.field)
    .bind(value)
    .bind(undone)
    .fetch_one(conn)
    .await?;
    let actual: ReviewStatus = row.try_get("status")?;
    if stated == actual { Ok(()) } else { Err(ReviewError::StatusContradicts { stated, actual }) }
}

/// Writes the event and derives the state. Returns the position of the event. Without a time of its own the review is later than the
/// state that it changes, even if another clock was fast when that was written.
async fn write_event(
    conn: &mut PgConnection,
    new: &NewReview,
    spans: Option<&Value>,
    seen: Option<DateTime<Utc>>,
) -> Result<i64, ReviewError> {
    // takes the position lock in a statement of its own: the following statements see everything committed before it was granted
    let position = sqlx::query_scalar!(r#"SELECT next_position() AS "position!""#).fetch_one(&mut *conn).await?;
    check_document(conn, new.document_id).await?;
    let (value, undone) = new.event_value();
    let default_ref;
    let source_ref = match &new.source_ref {
        Some(source_ref) => source_ref,
        None => {
            default_ref = format!("position/{position}");
            &default_ref
        }
    };
    sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, spans, note, reviewer, actor, source, source_ref, occurred_at)
         SELECT $1, $2, $3, coalesce(accepted, '{}'), ",
        status!(),
        ", $6, $7, $8, $9, $10, $11,
             -- greatest ignores NULL
             coalesce($12, greatest(clock_timestamp(), $13 + interval '1 microsecond'))
         FROM (SELECT CASE WHEN NOT $5 THEN $4::text[] END AS accepted, ",
        latest_prediction!("x.value", "$2", "$3"),
        " AS predicted) both_values"
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
    .bind(seen)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT $1::uuid AS document_id, $2::text AS field"))
        .bind(new.document_id)
        .bind(&new.field)
        .execute(conn)
        .await?;
    Ok(position)
}
