//! Accepts predictions of which the extractor was sure enough, many at once, as events with who did it.

use serde::Serialize;
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::review::checks::check_values_fit;
use crate::review::error::ReviewError;
use crate::review::record::definition_of;
use crate::state::{derive_states, status};

/// Most documents of one call: it holds the lock on positions until the caller commits.
pub const MOST_ACCEPTED: i64 = 1_000;
const LONGEST_NOTE: usize = 10_000;
/// Documents listed as examples.
const LISTED: usize = 10;

/// Which predictions are accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// The field.
    pub field: String,
    /// Least confidence, 0 to 1.
    pub min_confidence: f64,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only predictions of this version of the extractor.
    pub extractor_version: Option<String>,
    /// Who decides it.
    pub reviewer: String,
    /// Who records it: the name of an API key.
    pub actor: String,
    /// Why; by default what was asked for.
    pub note: Option<String>,
    /// Goes on after this document.
    pub after: Option<Uuid>,
    /// At most so many documents, 1 to 1,000.
    pub limit: i64,
    /// Only tells what would be done.
    pub dry_run: bool,
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Accepted {
    /// Predictions accepted, or that would be.
    pub accepted: u64,
    /// Predictions left alone because the value does not keep to the definition of the field.
    pub unfit: u64,
    /// Of these, the reason of the first.
    pub unfit_reason: Option<String>,
    /// Some of the documents.
    pub documents: Vec<Uuid>,
    /// Whether it was only a question.
    pub dry_run: bool,
    /// The last document looked at, when there may be more after it; to be sent as `after`.
    pub next: Option<Uuid>,
}

struct Candidate {
    document_id: Uuid,
    value: Vec<String>,
}

/// Accepts the newest prediction of the field for documents whose field waits for review, in the order of their ids. Documents that
/// somebody else reviews at the moment, or whose state is being changed, are passed by; so are empty predictions.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed soon: it holds the lock on
/// positions).
///
/// # Errors
/// When there is no such field, a bound is exceeded, or Postgres does not answer; nothing is changed then.
pub async fn accept_predictions(conn: &mut PgConnection, asked: &Acceptance) -> Result<Accepted, ReviewError> {
    check(asked)?;
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    let definition = definition_of(conn, &asked.field).await?;
    let candidates = hold_candidates(conn, asked).await?;
    let full = i64::try_from(candidates.len()) == Ok(asked.limit);
    let next = if full { candidates.last().map(|candidate| candidate.document_id) } else { None };
    let (mut documents, mut unfit, mut unfit_reason) = (Vec::with_capacity(candidates.len()), 0, None);
    for candidate in candidates {
        match check_values_fit(&candidate.value, &definition) {
            Ok(()) => documents.push(candidate.document_id),
            Err(error) => {
                unfit += 1;
                unfit_reason.get_or_insert(error.to_string());
            }
        }
    }
    let accepted = if asked.dry_run { documents.len() as u64 } else { write(conn, asked, &documents).await? };
    if asked.dry_run {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    documents.truncate(LISTED);
    Ok(Accepted { accepted, unfit, unfit_reason, documents, dry_run: asked.dry_run, next })
}

fn check(asked: &Acceptance) -> Result<(), ReviewError> {
    let invalid = |part: &'static str, reason: String| Err(ReviewError::Invalid { part, reason });
    if !(0.0..=1.0).contains(&asked.min_confidence) {
        return invalid("min_confidence", "give a number from 0 to 1".to_owned());
    }
    if !(1..=MOST_ACCEPTED).contains(&asked.limit) {
        return invalid("limit", format!("give 1 to {MOST_ACCEPTED}"));
    }
    if asked.reviewer.trim().is_empty() || asked.reviewer.chars().count() > 200 || asked.reviewer.contains('\0') {
        return invalid("reviewer", "give 1 to 200 characters without NUL".to_owned());
    }
    if asked.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE || note.contains('\0')) {
        return invalid("note", format!("give {LONGEST_NOTE} characters at most, without NUL"));
    }
    Ok(())
}

/// Locks as everywhere, the document and then its state, and waits for nobody: who holds one of them is at work on it.
async fn hold_candidates(conn: &mut PgConnection, asked: &Acceptance) -> Result<Vec<Candidate>, sqlx::Error> {
    sqlx::query_as!(
        Candidate,
        r#"
        SELECT a.document_id, x.value
        FROM documents d
        JOIN annotations a ON a.document_id = d.id
        JOIN LATERAL (
            SELECT e.value, e.confidence, e.extractor_version
            FROM extractions e
            WHERE e.document_id = a.document_id AND e.field = a.field
            ORDER BY e.predicted_at DESC, e.extractor_version DESC
            LIMIT 1
        ) x ON true
        WHERE a.field = $1
          AND a.review_status = 'UNREVIEWED'
          AND x.value <> '{}'
          AND x.confidence >= $2
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND ($5::text IS NULL OR x.extractor_version = $5)
          AND ($6::uuid IS NULL OR a.document_id > $6)
          AND NOT EXISTS (
              SELECT FROM review_leases l
              WHERE l.document_id = a.document_id AND l.expires_at > clock_timestamp() AND l.reviewer <> $7
          )
        ORDER BY a.document_id
        LIMIT $8
        FOR KEY SHARE OF d SKIP LOCKED
        FOR UPDATE OF a SKIP LOCKED
        "#,
        asked.field,
        asked.min_confidence,
        asked.source,
        asked.project,
        asked.extractor_version,
        asked.after,
        asked.reviewer,
        asked.limit,
    )
    .fetch_all(conn)
    .await
}

/// Writes the events and derives the states of documents whose state is locked.
async fn write(conn: &mut PgConnection, asked: &Acceptance, documents: &[Uuid]) -> Result<u64, ReviewError> {
    if documents.is_empty() {
        return Ok(0);
    }
    let note = asked.note.clone().unwrap_or_else(|| format!("accepted with others: confidence of at least {}", asked.min_confidence));
    // the lock on positions comes in a statement of its own: the next one then sees all that was committed before
    sqlx::query("SELECT pg_advisory_xact_lock(7020641, 1)").execute(&mut *conn).await?;
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, note, reviewer, actor, source, source_ref, occurred_at)
         SELECT position, document_id, $2, accepted, ",
        status!(),
        ", $3, $4, $5, 'api', 'position/' || position, clock_timestamp()
         FROM (
             SELECT nextval('positions') AS position, t.document_id, x.value AS accepted, x.value AS predicted
             FROM (SELECT document_id FROM unnest($1::uuid[]) AS given (document_id) ORDER BY document_id) t
             CROSS JOIN LATERAL (
                 SELECT e.value
                 FROM extractions e
                 WHERE e.document_id = t.document_id AND e.field = $2
                 ORDER BY e.predicted_at DESC, e.extractor_version DESC
                 LIMIT 1
             ) x
             WHERE x.value <> '{}'
         ) both_values"
    ))
    .bind(documents)
    .bind(&asked.field)
    .bind(&note)
    .bind(&asked.reviewer)
    .bind(&asked.actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT given.document_id, $2::text AS field FROM unnest($1::uuid[]) AS given (document_id)"))
        .bind(documents)
        .bind(&asked.field)
        .execute(conn)
        .await?;
    Ok(events.rows_affected())
}
