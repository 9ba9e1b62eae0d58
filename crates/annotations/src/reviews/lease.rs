//! Acquires and releases review leases. They expire by the clock of the database.
//!
//! A lease prevents two people from doing the same work. It does not protect state: a review that began before the lease may still be
//! recorded, and [`Expected`](super::Expected) prevents lost updates. Imports ignore leases.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::reviews::error::ReviewError;
use crate::reviews::lock::{check_document, lock_document};
use crate::reviews::review_lease::ReviewLease;
use crate::reviews::validate::{check_reviewer, invalid};

/// Maximum duration of a lease; a longer review renews it.
pub const MAX_LEASE_DURATION: Duration = Duration::from_secs(24 * 3600);

/// Acquires a lease, or renews the lease of the same reviewer.
///
/// # Errors
/// When another reviewer holds it ([`ReviewError::Leased`]), the document is unknown or erased, or Postgres is unavailable.
pub async fn acquire_lease(
    conn: &mut PgConnection,
    document: Uuid,
    reviewer: &str,
    actor: &str,
    duration: Duration,
) -> Result<ReviewLease, ReviewError> {
    check_reviewer(reviewer)?;
    if duration.is_zero() || duration > MAX_LEASE_DURATION {
        return Err(invalid("seconds", format!("must be 1 to {}; a lease can be renewed", MAX_LEASE_DURATION.as_secs())));
    }
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    lock_document(conn, document).await?;
    check_document(conn, document).await?;
    let lease = loop {
        if let Some(lease) = try_acquire(conn, document, reviewer, actor, duration).await? {
            break lease;
        }
        // a lease that has ended since the statement above is free
        if let Some(held) = read(conn, document).await? {
            return Err(ReviewError::Leased(Box::new(held)));
        }
    };
    transaction.commit().await?;
    Ok(lease)
}

/// Acquires or renews the lease, unless another reviewer holds it.
async fn try_acquire(
    conn: &mut PgConnection,
    document: Uuid,
    reviewer: &str,
    actor: &str,
    duration: Duration,
) -> Result<Option<ReviewLease>, sqlx::Error> {
    sqlx::query_as!(
        ReviewLease,
        r#"
        INSERT INTO review_leases AS l (document_id, reviewer, actor, acquired_at, expires_at)
        SELECT $1, $2, $3, now.at, now.at + make_interval(secs => $4)
        FROM (SELECT clock_timestamp() AS at) now
        ON CONFLICT (document_id) DO UPDATE
        SET reviewer = excluded.reviewer, actor = excluded.actor, expires_at = excluded.expires_at,
            -- a renewal keeps the time of acquisition
            acquired_at = CASE WHEN l.reviewer = excluded.reviewer AND l.expires_at > clock_timestamp()
                               THEN l.acquired_at ELSE excluded.acquired_at END
        WHERE l.reviewer = excluded.reviewer OR l.expires_at <= clock_timestamp()
        RETURNING document_id, reviewer, actor, acquired_at, expires_at,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = l.document_id) AS "document!"
        "#,
        document,
        reviewer,
        actor,
        duration.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await
}

/// Releases a lease. Returns `false` if there was no unexpired lease.
///
/// # Errors
/// When another reviewer holds it, or Postgres is unavailable.
pub async fn release_lease(conn: &mut PgConnection, document: Uuid, reviewer: &str) -> Result<bool, ReviewError> {
    let released = sqlx::query_scalar!(
        r#"
        DELETE FROM review_leases
        WHERE document_id = $1 AND (reviewer = $2 OR expires_at <= clock_timestamp())
        RETURNING expires_at > clock_timestamp() AS "held!"
        "#,
        document,
        reviewer,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match released {
        Some(held) => Ok(held),
        None => match current_lease(conn, document).await? {
            Some(held) => Err(ReviewError::Leased(Box::new(held))),
            None => Ok(false),
        },
    }
}

/// Returns the unexpired lease of a document, if any.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn current_lease(conn: &mut PgConnection, document: Uuid) -> Result<Option<ReviewLease>, ReviewError> {
    let lease = sqlx::query_as!(
        ReviewLease,
        r#"
        SELECT document_id, reviewer, actor, acquired_at, expires_at,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = l.document_id) AS "document!"
        FROM review_leases l
        WHERE document_id = $1 AND expires_at > clock_timestamp()
        "#,
        document
    )
    .fetch_optional(conn)
    .await?;
    Ok(lease)
}

/// Fails if another reviewer holds the lease of the document.
pub(super) async fn check_lease(conn: &mut PgConnection, document: Uuid, reviewer: Option<&str>) -> Result<(), ReviewError> {
    match current_lease(conn, document).await? {
        Some(lease) if Some(lease.reviewer.as_str()) != reviewer => Err(ReviewError::Leased(Box::new(lease))),
        _ => Ok(()),
    }
}

/// Returns the lease, expired or not.
async fn read(conn: &mut PgConnection, document: Uuid) -> Result<Option<ReviewLease>, sqlx::Error> {
    sqlx::query_as!(
        ReviewLease,
        r#"
        SELECT document_id, reviewer, actor, acquired_at, expires_at,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = l.document_id) AS "document!"
        FROM review_leases l
        WHERE document_id = $1
        "#,
        document
    )
    .fetch_optional(conn)
    .await
}
