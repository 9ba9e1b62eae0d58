//! The database of a process: where its transactions and its sessions run.
//!
//! `DATABASE_URL` may lead to a pooler in transaction mode, which gives a client another session of Postgres for every transaction. Nothing
//! that belongs to a session survives there: no setting, no prepared statement, no session-level lock, no `LISTEN`. So all work of the
//! pool is done in transactions, and whatever needs a session uses [`Database::session`] (decision 22).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Postgres, Row as _, SqlSafeStr as _, SqlStr, Transaction};

use crate::session::{Session, start_up};

/// Begins a transaction in a session of this process.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Transactions and sessions of one process; cheap to clone. Not `Debug`, because it contains the password.
#[derive(Clone)]
pub struct Database {
    /// Short transactions, through the pooler if there is one.
    pool: PgPool,
    /// Long transactions. Without a pooler it is the same pool.
    direct: PgPool,
    session: Arc<Session>,
    begin: Begin,
}

/// The statements that begin a transaction.
#[derive(Clone)]
struct Begin {
    write: SqlStr,
    /// `None` if the sessions of the pool are ours, so that a statement needs no transaction.
    read: Option<SqlStr>,
    snapshot: SqlStr,
}

impl Begin {
    fn new(is_pooled: bool, settings: &str) -> Self {
        let begin = |modes: &str| AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {modes}; {settings}")).into_sql_str();
        Self {
            write: begin("READ COMMITTED"),
            read: is_pooled.then(|| begin("READ COMMITTED, READ ONLY")),
            snapshot: begin("REPEATABLE READ, READ ONLY"),
        }
    }
}

impl Database {
    /// Everything runs in sessions of this process.
    #[must_use]
    pub fn direct(session: Session, options: PgPoolOptions) -> Self {
        let pool = session.pool(checked(options));
        Self { direct: pool.clone(), pool, session: Arc::new(session), begin: Begin::new(false, "") }
    }

    /// Short transactions run at the pooler, everything else in sessions of this process.
    ///
    /// sqlx prepares every statement under a name that is unique on its connection only, and executes it in a second request. In one
    /// transaction both reach the same session. What earlier clients have left there is removed at its beginning.
    #[must_use]
    pub fn behind_pooler(pooler: PgConnectOptions, session: Session, options: PgPoolOptions) -> Self {
        let settings = session.statements("SET LOCAL");
        let begin = Begin::new(true, &format!("{}DEALLOCATE ALL", settings.as_str()));
        let pool = checked(options.clone()).connect_lazy_with(start_up(pooler).statement_cache_capacity(0));
        Self { pool, direct: session.pool(checked(options)), session: Arc::new(session), begin }
    }

    /// Begins a short transaction that writes. Without a commit it is rolled back.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(self.begin.write.clone()).await
    }

    /// Begins a transaction that may take long, such as an import: it would occupy a session of the pooler.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn begin_long(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.direct.begin_with(BEGIN).await
    }

    /// A connection for statements that only read. Behind a pooler it is in a transaction that refuses to write.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn read(&self) -> Result<ReadConnection, sqlx::Error> {
        Ok(match &self.begin.read {
            None => ReadConnection::Session(self.pool.acquire().await?),
            Some(begin) => ReadConnection::Transaction(self.pool.begin_with(begin.clone()).await?),
        })
    }

    /// Begins a transaction that reads one snapshot of the database.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(self.begin.snapshot.clone()).await
    }

    /// Sessions outside the pools, for what needs one: `LISTEN`, leaders, and statements that a dropped connection must end.
    #[must_use]
    pub fn session(&self, application_name: &str) -> Session {
        self.session.as_ref().clone().named(application_name)
    }

    /// Name of the database user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.session.user()
    }

    /// Asks whether the pool can reach Postgres.
    ///
    /// # Errors
    /// When it cannot.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        // the simple protocol needs no prepared statement, and so no transaction
        sqlx::raw_sql("SELECT 1").execute(&self.pool).await.map(drop)
    }

    /// Connections of the pools, and how many of them are idle.
    #[must_use]
    pub fn connections(&self) -> (usize, usize) {
        let pools = if self.begin.read.is_some() { vec![&self.pool, &self.direct] } else { vec![&self.pool] };
        pools.into_iter().fold((0, 0), |(all, idle), pool| (all + pool.size() as usize, idle + pool.num_idle()))
    }

    /// Closes the pools, after their connections have been returned.
    pub async fn close(&self) {
        self.pool.close().await;
        self.direct.close().await;
    }
}

/// A connection for reading.
#[derive(Debug)]
pub enum ReadConnection {
    /// A session of this process: each statement is its own transaction.
    Session(PoolConnection<Postgres>),
    /// A transaction at a pooler, rolled back when dropped.
    Transaction(Transaction<'static, Postgres>),
}

impl Deref for ReadConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Session(conn) => conn,
            Self::Transaction(transaction) => transaction,
        }
    }
}

impl DerefMut for ReadConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Session(conn) => conn,
            Self::Transaction(transaction) => transaction,
        }
    }
}

/// A pool that never hands out a connection inside a transaction.
///
/// A caller that is cancelled while it waits for the answer to `BEGIN` returns its connection with an open transaction that sqlx 0.9 does
/// not know of. The next caller would write into that transaction, and what it wrote would be rolled back later. So a connection is asked
/// before it is used again whether it is in a transaction, and closed if it is.
fn checked(options: PgPoolOptions) -> PgPoolOptions {
    options
        // this question also shows that the connection is alive
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(async { Ok(is_outside_transactions(conn).await.unwrap_or(false)) }))
        // otherwise every connection would keep a buffer of the size of the largest text that it has read
        .after_release(|conn, _| {
            Box::pin(async {
                conn.shrink_buffers();
                Ok(true)
            })
        })
}

/// Within a transaction, `now()` is the time at which it began; outside, that of the statement. Only the simple protocol, which is that
/// of `raw_sql`, sends the statement in one message with one time.
async fn is_outside_transactions(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(conn).await?.try_get(0)
}
