//! How to reach Postgres.

use std::fmt;
use std::str::FromStr as _;

use anyhow::{Result, anyhow, bail};
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, Row as _};

use crate::variables::Environment;

/// How to reach Postgres. Printing it does not show the password.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`, or the `PG*` variables.
    pub options: PgConnectOptions,
    /// `APRENDIZ_DATABASE_CONNECTIONS`, default 16: most connections of the process. Too few make work wait, too many starve Postgres.
    pub connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the options would print their password
        f.debug_struct("DatabaseConfig").field("place", &self.place()).field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl DatabaseConfig {
    /// Where the database is, without user and password.
    #[must_use]
    pub fn place(&self) -> String {
        let options = &self.options;
        format!("`{}` at {}:{}", options.get_database().unwrap_or("(default)"), options.get_host(), options.get_port())
    }

    /// Options of the connection pool of this process.
    ///
    /// A caller that is cancelled while it waits for the answer to `BEGIN` returns its connection with an open transaction that sqlx
    /// 0.9 does not know of. The next caller would write into that transaction, and what it wrote would be rolled back later. So a
    /// connection is asked before it is used again whether it is in a transaction, and closed if it is.
    #[must_use]
    pub fn pool_options(&self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.connections)
            // this question also shows that the connection is alive
            .test_before_acquire(false)
            .before_acquire(|conn, _| Box::pin(async { Ok(is_outside_transactions(conn).await.unwrap_or(false)) }))
    }
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// How to reach Postgres: `DATABASE_URL` or `PG*`, and `APRENDIZ_DATABASE_CONNECTIONS`.
    ///
    /// # Errors
    /// Names the variable; never shows the URL.
    pub fn database(&self) -> Result<DatabaseConfig> {
        let options = match self.secret("DATABASE_URL")? {
            Some(url) => options_of(url.expose_secret())?,
            None if ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER"].iter().any(|name| self.text(name).is_some()) => {
                let options = PgConnectOptions::new();
                // a URL brings its own password; PGPASSWORD_FILE is unknown to the library
                match self.secret("PGPASSWORD")? {
                    Some(password) => options.password(password.expose_secret()),
                    None => options,
                }
            }
            None => bail!(
                "DATABASE_URL is not set: expected postgres://user:password@host:port/database, or the PG* variables (PGHOST, PGDATABASE, PGUSER ...)"
            ),
        };
        let connections = self.parsed("APRENDIZ_DATABASE_CONNECTIONS", 16, "a number of connections, at least 2")?;
        if connections < 2 {
            bail!("APRENDIZ_DATABASE_CONNECTIONS is {connections}: expected a number of connections, at least 2");
        }
        Ok(DatabaseConfig { options, connections })
    }
}

/// Within a transaction, `now()` is the time at which it began; outside, that of the statement. Only the simple protocol, which is that
/// of `raw_sql`, sends the statement in one message with one time.
async fn is_outside_transactions(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(conn).await?.try_get(0)
}

fn options_of(url: &str) -> Result<PgConnectOptions> {
    // the library would take any scheme
    let ours = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    // the URL may hold a password, so neither it nor the parser's words about it are shown
    ours.then(|| PgConnectOptions::from_str(url).ok()).flatten().ok_or_else(|| {
        anyhow!("DATABASE_URL cannot be used (its text is not shown, it may hold a password): expected postgres://user:password@host:port/database")
    })
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;

    use super::*;

    /// The password that would be sent.
    fn password(pairs: &[(&str, &str)]) -> Option<String> {
        let environment = Environment::of(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        environment.database().unwrap().options.to_url_lossy().password().map(str::to_owned)
    }

    #[test]
    fn a_password_in_the_url_wins_over_the_variable_wherever_the_url_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let (url, file) = ("postgres://me:ofurl@host/db", folder.path().join("url"));
        std::fs::write(&file, format!("{url}\n")).unwrap();
        let other = ("PGPASSWORD", "other");
        assert_eq!(password(&[("DATABASE_URL", url), other]).as_deref(), Some("ofurl"));
        assert_eq!(password(&[("DATABASE_URL_FILE", file.to_str().unwrap()), other]).as_deref(), Some("ofurl"));
    }

    #[test]
    fn without_a_url_the_password_can_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "offile\n").unwrap();
        let pairs = [("PGHOST", "host"), ("PGPASSWORD_FILE", file.to_str().unwrap())];
        assert_eq!(password(&pairs).as_deref(), Some("offile"));
    }

    #[test]
    fn the_password_is_not_printed() {
        let config = Environment::of(|name: &str| (name == "DATABASE_URL").then(|| "postgres://me:hunter2@host/db".to_owned())).database();
        let printed = format!("{:?}", config.unwrap());
        assert!(printed.contains("host:5432") && !printed.contains("hunter2"), "{printed}");
    }
}
