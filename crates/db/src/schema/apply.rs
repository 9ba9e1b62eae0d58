//! Applies migrations without blocking the installation that is running.
//!
//! A migration that waits for a lock of a table makes every later statement on the table wait behind it. So it waits for a few seconds
//! only, gives the others a turn, and tries again.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Error, PgConnection};

use crate::backoff::Backoff;
use crate::schema::report::read_schema;

/// SQLSTATE of a statement that waited for a lock longer than `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// How long and how often migrations wait for locks.
#[derive(Debug, Clone, Copy)]
pub struct LockWaits {
    /// Time after which a statement gives up.
    pub timeout: Duration,
    /// Number of attempts, with growing pauses between them.
    pub attempts: u32,
}

/// Why migrations are not applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Another transaction or another `aprendiz migrate` holds a lock.
    #[error(
        "could not lock a table in {attempts} attempts of {seconds} s each, what was applied before stays: {holders}; end that work or \
         wait for it, and run `aprendiz migrate` again (--lock-timeout, --lock-attempts)"
    )]
    Locked {
        /// Number of attempts.
        attempts: u32,
        /// Seconds per attempt.
        seconds: f64,
        /// The oldest transactions of other sessions.
        holders: String,
    },
    /// Another failure of a migration.
    #[error(transparent)]
    Failed(#[from] MigrateError),
    /// Postgres does not answer.
    #[error(transparent)]
    Sql(#[from] Error),
}

/// Applies all pending migrations, and checks those that were applied before. Returns how many were pending.
///
/// # Errors
/// [`MigrationError`]; the migrations before the failed one stay applied.
pub async fn apply_migrations(conn: &mut PgConnection, migrator: &Migrator, waits: LockWaits) -> Result<usize, MigrationError> {
    let pending = read_schema(conn, migrator).await?.pending;
    for group in pending.chunk_by(|a, b| a.in_transaction && b.in_transaction) {
        let Some(last) = group.last() else { continue };
        // an index that is built concurrently blocks no statement while it waits, and would be left behind invalid
        let timeout = if last.in_transaction { waits.timeout } else { Duration::ZERO };
        apply_to(conn, migrator, last.version, LockWaits { timeout, ..waits }).await?;
    }
    migrator.run(&mut *conn).await?;
    Ok(pending.len())
}

async fn apply_to(conn: &mut PgConnection, migrator: &Migrator, version: i64, waits: LockWaits) -> Result<(), MigrationError> {
    sqlx::raw_sql(AssertSqlSafe(format!("SET lock_timeout = {}", waits.timeout.as_millis()))).execute(&mut *conn).await?;
    let mut pauses = Backoff::new(MIN_PAUSE, MAX_PAUSE);
    let mut attempt = 1;
    loop {
        match migrator.run_to(version, &mut *conn).await {
            Err(error) if is_lock_timeout(&error) => {}
            result => return Ok(result?),
        }
        if attempt >= waits.attempts {
            let holders = describe_oldest_transactions(conn).await?;
            return Err(MigrationError::Locked { attempts: attempt, seconds: waits.timeout.as_secs_f64(), holders });
        }
        attempt += 1;
        tokio::time::sleep(pauses.next_delay()).await;
    }
}

fn is_lock_timeout(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            error.as_database_error().and_then(|error| error.code()).as_deref() == Some(LOCK_NOT_AVAILABLE)
        }
        _ => false,
    }
}

/// The transactions of others that may hold the lock, oldest first.
async fn describe_oldest_transactions(conn: &mut PgConnection) -> Result<String, Error> {
    let oldest: Vec<(i32, String, f64)> = sqlx::query_as(
        "SELECT pid, coalesce(application_name, ''), extract(epoch FROM clock_timestamp() - xact_start)::float8
         FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
         ORDER BY xact_start
         LIMIT 3",
    )
    .fetch_all(conn)
    .await?;
    let described = oldest.iter().map(|(pid, name, age)| format!("process {pid} ({name}) for {age:.0} s")).collect::<Vec<_>>();
    Ok(if described.is_empty() {
        "no other transaction is open now".to_owned()
    } else {
        format!("open transactions: {}", described.join(", "))
    })
}
