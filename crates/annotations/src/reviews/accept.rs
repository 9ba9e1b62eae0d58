//! Accepts predictions above a minimum confidence in bulk, as review events.

use aprendiz_db::{AdvisoryLock, Scope};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::reviews::acceptance::{Acceptance, AcceptedPredictions};
use crate::reviews::definition::load_definition;
use crate::reviews::error::ReviewError;
use crate::state_sql::{derive_states, latest_prediction, status};

/// Number of documents listed as examples.
const EXAMPLES: usize = 10;

struct Candidate {
    document_id: Uuid,
    value: Vec<String>,
}

/// Accepts the latest prediction of a field for unreviewed documents of the scope, in the order of document ids. Skips documents that are
/// leased by another reviewer, documents whose state another transaction has locked, and empty predictions.
///
/// Runs in its own transaction, or in a savepoint if `conn` is in one. Then commit soon: it holds the position lock.
///
/// # Errors
/// When the field is unknown, the request is invalid, or Postgres is unavailable; nothing is changed then.
pub async fn accept_predictions(conn: &mut PgConnection, scope: &Scope, request: &Acceptance) -> Result<AcceptedPredictions, ReviewError> {
    request.validate()?;
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    let definition = load_definition(conn, &request.field).await?;
    let candidates = lock_candidates(conn, scope, request).await?;
    let full = i64::try_from(candidates.len()) == Ok(request.limit);
    let next = if full { candidates.last().map(|candidate| candidate.document_id) } else { None };
    let (mut documents, mut unfit, mut unfit_reason) = (Vec::with_capacity(candidates.len()), 0, None);
    for candidate in candidates {
        match definition.check_values(&candidate.value) {
            Ok(()) => documents.push(candidate.document_id),
            Err(error) => {
                unfit += 1;
                unfit_reason.get_or_insert(error.to_string());
            }
        }
    }
    let accepted = if request.dry_run { documents.len() as u64 } else { write_events(conn, request, &documents).await? };
    if request.dry_run {
        transaction.rollback().await?;
    } else {
        transaction.commit().await?;
    }
    documents.truncate(EXAMPLES);
    Ok(AcceptedPredictions { accepted, unfit, unfit_reason, documents, dry_run: request.dry_run, next })
}

/// Locks documents and then their states, in the order of all writers. Skips rows that another transaction has locked.
async fn lock_candidates(conn: &mut PgConnection, scope: &Scope, request: &Acceptance) -> Result<Vec<Candidate>, sqlx::Error> {
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
          AND d.archived_at IS NULL AND d.withdrawn_at IS NULL
          AND x.value <> '{}'
          AND x.confidence >= $2
          AND ($3::text IS NULL OR d.source = $3)
          AND ($4::text IS NULL OR d.project = $4)
          AND ($9::text[] IS NULL OR d.project = ANY($9))
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
        request.field,
        request.min_confidence,
        request.source,
        request.project,
        request.extractor_version,
        request.after,
        request.reviewer,
        request.limit,
        scope.projects(),
    )
    .fetch_all(conn)
    .await
}

/// Writes the events and derives the states of documents whose states are locked. Returns the number of events.
async fn write_events(conn: &mut PgConnection, request: &Acceptance, documents: &[Uuid]) -> Result<u64, ReviewError> {
    if documents.is_empty() {
        return Ok(0);
    }
    let note = request.note.clone().unwrap_or_else(|| format!("accepted in bulk with confidence >= {}", request.min_confidence));
    // the lock needs a statement of its own: the next statement then sees everything committed before
    AdvisoryLock::Positions.lock(conn).await?;
    let events = sqlx::query(concat!(
        "INSERT INTO annotation_events
             (position, document_id, field, value, review_status, note, reviewer, actor, source, source_ref, occurred_at)
         SELECT position, document_id, $2, accepted, ",
        status!(),
        ", $3, $4, $5, 'api', 'position/' || position, clock_timestamp()
         FROM (
             SELECT nextval('positions') AS position, t.document_id, p.value AS accepted, p.value AS predicted
             FROM (SELECT document_id FROM unnest($1::uuid[]) AS given (document_id) ORDER BY document_id) t
             CROSS JOIN LATERAL ",
        latest_prediction!("x.value", "t.document_id", "$2"),
        " p
             WHERE p.value <> '{}'
         ) both_values"
    ))
    .bind(documents)
    .bind(&request.field)
    .bind(&note)
    .bind(&request.reviewer)
    .bind(&request.actor)
    .execute(&mut *conn)
    .await?;
    sqlx::query(derive_states!("SELECT given.document_id, $2::text AS field FROM unnest($1::uuid[]) AS given (document_id)"))
        .bind(documents)
        .bind(&request.field)
        .execute(conn)
        .await?;
    Ok(events.rows_affected())
}
