//! Sessions with Postgres itself, with the settings that the statements of this workspace rely on.

use std::fmt::Write as _;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqlSafeStr as _, SqlStr};

/// Settings of every session. A database or a role may have other defaults.
///
/// The statements are written for read committed: they lock a row and then expect its latest version. Floating-point numbers that SQL
/// turns into text must not lose digits. Statements are not compiled: Postgres needs 200 ms for it as soon as it expects many rows, also
/// for a page of 100.
const SETTINGS: [(&str, &str); 3] = [("default_transaction_isolation", "read committed"), ("extra_float_digits", "1"), ("jit", "off")];

/// Where and how to open sessions that belong to one client until it disconnects. Not `Debug`, because it contains the password.
///
/// Settings are sent after the connection is established: poolers refuse or ignore the start-up parameter `options`.
#[derive(Clone)]
pub struct Session {
    options: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

impl Session {
    /// Sessions at this address.
    #[must_use]
    pub fn new(options: PgConnectOptions) -> Self {
        let settings = SETTINGS.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { options: start_up(options), settings }
    }

    /// The same with another application name, which `pg_stat_activity` shows.
    #[must_use]
    pub fn named(mut self, application_name: &str) -> Self {
        self.options = self.options.application_name(application_name);
        self
    }

    /// The same with one more setting.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// Name of the database user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// Opens a session.
    ///
    /// # Errors
    /// When Postgres does not answer or refuses the client or a setting.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut conn = self.connect_plain().await?;
        sqlx::raw_sql(self.statements("SET")).execute(&mut conn).await?;
        Ok(conn)
    }

    /// Opens a session that listens on a channel.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        // `PgListener` requires a pool; it holds the only connection of this one
        let mut listener = PgListener::connect_with(&self.pool(PgPoolOptions::new().max_connections(1))).await?;
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// A pool of such sessions. It connects when the first one is needed.
    pub(crate) fn pool(&self, options: PgPoolOptions) -> PgPool {
        let statements = self.statements("SET");
        options
            .after_connect(move |conn, _| {
                let statements = statements.clone();
                Box::pin(async move { sqlx::raw_sql(statements).execute(conn).await.map(drop) })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// Opens a session without settings. On a connection that others use as well, settings would reach their statements.
    pub(crate) async fn connect_plain(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    /// The settings as statements that begin with `SET` or `SET LOCAL`.
    pub(crate) fn statements(&self, set: &str) -> SqlStr {
        let mut statements = String::new();
        for (name, value) in &self.settings {
            let _ = write!(statements, "{set} {name} = '{}'; ", value.replace('\'', "''"));
        }
        AssertSqlSafe(statements).into_sql_str()
    }
}

/// Leaves only start-up parameters that PgBouncer keeps for each of its clients. It refuses a connection with any other one.
pub(crate) fn start_up(options: PgConnectOptions) -> PgConnectOptions {
    options.extra_float_digits(None)
}

#[cfg(test)]
mod tests {
    use aprendiz_test_support::TestDatabase;

    use super::*;

    async fn setting(conn: &mut PgConnection, name: &str) -> String {
        sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(conn).await.unwrap()
    }

    #[tokio::test]
    async fn a_session_does_not_take_the_isolation_level_of_the_database() {
        let database = TestDatabase::create().await;
        for level in ["serializable", "repeatable read"] {
            let name = database.url().rsplit('/').next().unwrap().split('?').next().unwrap();
            let alter = format!("ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{level}'");
            sqlx::raw_sql(AssertSqlSafe(alter)).execute(database.pool()).await.unwrap();
            let session = Session::new(database.url().parse().unwrap()).set("idle_in_transaction_session_timeout", "1234");
            assert_eq!(setting(&mut session.connect_plain().await.unwrap(), "transaction_isolation").await, level);
            let pool = session.pool(PgPoolOptions::new());
            for conn in [&mut session.connect().await.unwrap(), &mut *pool.acquire().await.unwrap()] {
                assert_eq!(setting(conn, "transaction_isolation").await, "read committed");
                assert_eq!(setting(conn, "idle_in_transaction_session_timeout").await, "1234ms");
            }
        }
    }
}
