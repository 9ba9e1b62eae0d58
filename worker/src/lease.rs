//! The lease of an attempt: renewed while it works, watched for a request to cancel, lost when it could not be renewed in time.

use std::time::Duration;

use runs::{AttemptKey, RunsError, cancel_was_requested, renew_lease};
use sqlx::PgPool;
use tokio::time::Instant;

/// How often a request to cancel is looked for; it must be seen within two seconds.
const WATCH: Duration = Duration::from_millis(500);

/// Why the work must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// Someone asked to cancel the run.
    CancelRequested,
    /// The run may belong to another worker now.
    Lost,
}

/// Renews the lease every third of its time until there is a reason to stop. The lease counts from before the renewal was
/// sent, so this side believes in it no longer than the database does.
pub(crate) async fn keep(pool: &PgPool, key: AttemptKey, lease: Duration, asked_at: Instant) -> LeaseEnd {
    let mut held_since = asked_at;
    let mut next_renewal = held_since + lease / 3;
    loop {
        let now = Instant::now();
        if now >= held_since + lease {
            return LeaseEnd::Lost;
        }
        // an answer that comes after the lease has ended is of no use
        let left = held_since + lease - now;
        match tokio::time::timeout(left, beat(pool, key, lease, now >= next_renewal)).await {
            Ok(Ok(Beat { cancel: true, .. })) => return LeaseEnd::CancelRequested,
            Ok(Ok(Beat { renewed: true, .. })) => {
                metrics::counter!("aprendiz_worker_lease_renewals_total", "outcome" => "renewed").increment(1);
                held_since = now;
                next_renewal = now + lease / 3;
            }
            Ok(Ok(_)) => {}
            Ok(Err(RunsError::LeaseLost { .. })) => return LeaseEnd::Lost,
            Ok(Err(error)) => {
                metrics::counter!("aprendiz_worker_lease_renewals_total", "outcome" => "failed").increment(1);
                tracing::warn!(%error, "lease not renewed, trying again until it expires");
            }
            Err(_) => return LeaseEnd::Lost,
        }
        tokio::time::sleep(WATCH.min(lease / 6)).await;
    }
}

struct Beat {
    cancel: bool,
    renewed: bool,
}

async fn beat(pool: &PgPool, key: AttemptKey, lease: Duration, renew: bool) -> Result<Beat, RunsError> {
    let mut conn = pool.acquire().await?;
    if renew {
        renew_lease(&mut conn, key, lease).await?;
    }
    let cancel = cancel_was_requested(&mut conn, key).await?;
    Ok(Beat { cancel, renewed: renew })
}
