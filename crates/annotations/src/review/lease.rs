//! Who reviews a document at the moment: others wait until the lease is given back or has expired, by the clock of the database.
//!
//! A lease keeps people from doing the same work twice. It protects no state: a review that began before the lease may still be written,
//! and versions (`Expected`) are what keeps one from writing over another. Imports do not look at leases.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::review::error::ReviewError;
use crate::review::record::{check_document, hold_document};

const LONGEST_NAME: usize = 200;
/// Longest time of a lease: who needs more renews it.
pub const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

/// The right of a reviewer to a document until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReviewLease {
    /// The document.
    pub document_id: Uuid,
    /// Who reviews it.
    pub reviewer: String,
    /// The API key that asked for it.
    pub actor: String,
    /// Since when.
    pub acquired_at: DateTime<Utc>,
    /// Until when, unless it is renewed.
    pub expires_at: DateTime<Utc>,
}

/// Takes a lease, or renews that of the same reviewer.
///
/// # Errors
/// When another reviewer has it ([`ReviewError::Leased`]), the document is unknown or erased, or Postgres does not answer.
pub async fn acquire_lease(
    conn: &mut PgConnection,
    document: Uuid,
    reviewer: &str,
    actor: &str,
    time: Duration,
) -> Result<ReviewLease, ReviewError> {
    let invalid = |part: &'static str, reason: String| Err(ReviewError::Invalid { part, reason });
    if reviewer.trim().is_empty() || reviewer.chars().count() > LONGEST_NAME || reviewer.contains('\0') {
        return invalid("reviewer", format!("give 1 to {LONGEST_NAME} characters without NUL"));
    }
    if time.is_zero() || time > LONGEST_LEASE {
        return invalid("seconds", format!("give 1 to {}; a lease can be renewed", LONGEST_LEASE.as_secs()));
    }
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    hold_document(conn, document).await?;
    check_document(conn, document).await?;
    let taken = sqlx::query_as!(
        ReviewLease,
        r#"
        INSERT INTO review_leases AS l (document_id, reviewer, actor, acquired_at, expires_at)
        SELECT $1, $2, $3, now.at, now.at + make_interval(secs => $4)
        FROM (SELECT clock_timestamp() AS at) now
        ON CONFLICT (document_id) DO UPDATE
        SET reviewer = excluded.reviewer, actor = excluded.actor, expires_at = excluded.expires_at,
            -- a renewal began when the lease did
            acquired_at = CASE WHEN l.reviewer = excluded.reviewer AND l.expires_at > clock_timestamp()
                               THEN l.acquired_at ELSE excluded.acquired_at END
        WHERE l.reviewer = excluded.reviewer OR l.expires_at <= clock_timestamp()
        RETURNING document_id, reviewer, actor, acquired_at, expires_at
        "#,
        document,
        reviewer,
        actor,
        time.as_secs_f64(),
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(lease) = taken else {
        // it may have expired since; asking again then succeeds
        let held = read(conn, document).await?.ok_or(sqlx::Error::RowNotFound)?;
        return Err(ReviewError::Leased(Box::new(held)));
    };
    transaction.commit().await?;
    Ok(lease)
}

/// Gives a lease back. `false` when there was none that holds.
///
/// # Errors
/// When another reviewer has it, or Postgres does not answer.
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
        None => match lease_of(conn, document).await? {
            Some(held) => Err(ReviewError::Leased(Box::new(held))),
            None => Ok(false),
        },
    }
}

/// The lease that holds on a document, if there is one.
///
/// # Errors
/// When Postgres does not answer.
pub async fn lease_of(conn: &mut PgConnection, document: Uuid) -> Result<Option<ReviewLease>, ReviewError> {
    let lease = sqlx::query_as!(
        ReviewLease,
        r#"
        SELECT document_id, reviewer, actor, acquired_at, expires_at
        FROM review_leases
        WHERE document_id = $1 AND expires_at > clock_timestamp()
        "#,
        document
    )
    .fetch_optional(conn)
    .await?;
    Ok(lease)
}

/// Refuses a review by anybody but who has the lease.
pub(super) async fn refuse_leased(conn: &mut PgConnection, document: Uuid, reviewer: Option<&str>) -> Result<(), ReviewError> {
    match lease_of(conn, document).await? {
        Some(lease) if Some(lease.reviewer.as_str()) != reviewer => Err(ReviewError::Leased(Box::new(lease))),
        _ => Ok(()),
    }
}

/// The lease, whether or not it still holds.
async fn read(conn: &mut PgConnection, document: Uuid) -> Result<Option<ReviewLease>, sqlx::Error> {
    sqlx::query_as!(
        ReviewLease,
        "SELECT document_id, reviewer, actor, acquired_at, expires_at FROM review_leases WHERE document_id = $1",
        document
    )
    .fetch_optional(conn)
    .await
}
