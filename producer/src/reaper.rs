//! Takes back what dead workers held, and announces again what Redis lost. One producer at a time does it, by an advisory lock
//! that its connection holds: when that process or connection dies, the next one takes over.

use std::time::Duration;

use runs::{RunsError, reannounce_unclaimed, reap_expired_leases};
use sqlx::postgres::{PgAdvisoryLock, PgConnectOptions};
use sqlx::{Connection as _, Either, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::database::loop_session;

use crate::metrics::REAPED;

const EVERY: Duration = Duration::from_secs(2);
/// A reaper that is not heard of for so long hangs: Postgres ends its session, and another one takes over.
const HUNG: Duration = Duration::from_secs(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// Runs taken back, or announced again, in one transaction.
const BATCH: i64 = 100;
/// A run that nobody has claimed for so long after its announcement is announced again.
const UNCLAIMED: Duration = Duration::from_secs(60);
/// Name of the lock, hashed by the library into a number.
const LOCK: &str = "aprendiz.reaper";

/// Runs until shutdown.
pub(crate) async fn run(database: PgConnectOptions, shutdown: CancellationToken) {
    let options = loop_session(database, "aprendiz-reaper", Some(HUNG));
    let mut backoff = EVERY;
    let mut is_away = false;
    while !shutdown.is_cancelled() {
        let mut on_round = || {
            backoff = EVERY;
            if std::mem::take(&mut is_away) {
                info!("the reaper works again");
            }
        };
        let Some(outcome) = shutdown.run_until_cancelled(work(&options, &mut on_round)).await else {
            return;
        };
        let Err(error) = outcome;
        if !std::mem::replace(&mut is_away, true) {
            warn!(%error, "the reaper cannot work: lost leases are taken back once it can");
        }
        shutdown.run_until_cancelled(sleep(backoff)).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Never made: work ends by an error only.
enum Never {}

async fn work(options: &PgConnectOptions, on_round: &mut impl FnMut()) -> Result<Never, RunsError> {
    let lock = PgAdvisoryLock::new(LOCK);
    let mut conn = PgConnection::connect_with(options).await?;
    loop {
        match lock.try_acquire(conn).await? {
            Either::Left(mut guard) => loop {
                // an answer that never comes must not keep the lock either
                timeout(HUNG, reap(guard.as_mut())).await.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
                on_round();
                sleep(EVERY).await;
            },
            // another producer does it
            Either::Right(unlocked) => conn = unlocked,
        }
        on_round();
        sleep(EVERY).await;
    }
}

async fn reap(conn: &mut PgConnection) -> Result<(), RunsError> {
    let reaped = reap_expired_leases(conn, BATCH).await?;
    for (outcome, runs) in [("requeued", reaped.requeued), ("failed", reaped.failed), ("cancelled", reaped.cancelled)] {
        metrics::counter!(REAPED, "outcome" => outcome).increment(u64::from(runs));
    }
    if reaped != runs::Reaped::default() {
        warn!(requeued = reaped.requeued, failed = reaped.failed, cancelled = reaped.cancelled, "took back runs whose workers were lost");
    }
    let announced = reannounce_unclaimed(conn, UNCLAIMED, BATCH).await?;
    if announced > 0 {
        info!(runs = announced, "announced runs again that nobody had claimed");
    }
    Ok(())
}
