//! Detects a pooler in transaction mode, and databases that a process cannot use.

use std::num::ParseIntError;
use std::time::Duration;

use sqlx::{PgConnection, Row as _};
use tokio::time::timeout;

use crate::session::Session;

/// How often the question is asked: other clients of the pooler can take a session in between.
const ROUNDS: usize = 3;
/// A pooler whose sessions are all in use makes its clients wait for minutes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a session says about its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Name of the database.
    pub database: String,
    /// Start of the server in seconds, which distinguishes servers.
    pub started_at: String,
    /// Whether transactions may only read: a standby, or `default_transaction_read_only`.
    pub read_only: bool,
}

impl ServerFacts {
    /// Reads the facts.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn read(session: &Session) -> Result<Self, sqlx::Error> {
        let mut conn = session.connect_plain().await?;
        let row = sqlx::raw_sql(
            "SELECT current_database()::text, extract(epoch FROM pg_postmaster_start_time())::text, current_setting('transaction_read_only') = 'on'",
        )
        .fetch_one(&mut conn)
        .await?;
        Ok(Self { database: row.try_get(0)?, started_at: row.try_get(1)?, read_only: row.try_get(2)? })
    }

    /// Whether both sessions are in the same database of the same server.
    #[must_use]
    pub fn is_same_database(&self, other: &Self) -> bool {
        (&self.database, &self.started_at) == (&other.database, &other.started_at)
    }
}

/// Why it is unknown whether sessions are shared.
#[derive(Debug, thiserror::Error)]
pub enum SharedSessionsError {
    /// Postgres did not answer, or rejected a statement.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// The address does not answer, or a pooler makes its clients wait for a session.
    #[error("two connections did not get a session each within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The answer is no process id.
    #[error("the process id of the session is not a number: {0}")]
    InvalidProcessId(#[from] ParseIntError),
}

/// Whether two clients at this address can get the same session, as they do at a pooler in transaction mode.
///
/// # Errors
/// When the address does not answer.
pub async fn shares_sessions(address: &Session) -> Result<bool, SharedSessionsError> {
    match timeout(TIMEOUT, compare_sessions(address)).await {
        Ok(shared) => shared,
        Err(_) => Err(SharedSessionsError::TimedOut(TIMEOUT)),
    }
}

/// Between statements, a pooler in transaction mode returns the session to the others. So a client that asks twice, and one that asks
/// between two questions of another, see whether the session is theirs, whichever free session the pooler prefers.
async fn compare_sessions(address: &Session) -> Result<bool, SharedSessionsError> {
    let mut first = address.connect_plain().await?;
    let mut second = address.connect_plain().await?;
    let of_first = backend(&mut first).await?;
    for _ in 0..ROUNDS {
        if backend(&mut first).await? != of_first {
            return Ok(true);
        }
        sqlx::raw_sql("BEGIN").execute(&mut second).await?;
        let is_shared = backend(&mut second).await? == of_first || backend(&mut first).await? != of_first;
        sqlx::raw_sql("ROLLBACK").execute(&mut second).await?;
        if is_shared {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Process id of the session that executes this statement.
async fn backend(conn: &mut PgConnection) -> Result<i32, SharedSessionsError> {
    // in the simple protocol, a value is text
    let pid: String = sqlx::raw_sql("SELECT pg_backend_pid()::text").fetch_one(conn).await?.try_get(0)?;
    Ok(pid.parse()?)
}

#[cfg(test)]
mod tests {
    use aprendiz_test_support::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn a_direct_connection_shares_no_session() {
        let database = TestDatabase::create().await;
        let session = Session::new(database.url().parse().unwrap());
        assert!(!shares_sessions(&session).await.unwrap());
        let facts = ServerFacts::read(&session).await.unwrap();
        assert!(!facts.read_only && facts.is_same_database(&facts.clone()), "{facts:?}");
    }
}
