//! Postgres connection settings.

use std::fmt;
use std::str::FromStr as _;

use anyhow::{Result, anyhow, bail};
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, Row as _};

use crate::variables::{Environment, PERCENT_ENCODING};

/// Postgres connection settings. `Debug` does not show the password.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Address and credentials, from `DATABASE_URL` or the `PG*` variables.
    pub options: PgConnectOptions,
    /// `APRENDIZ_DATABASE_CONNECTIONS`, default 16: maximum number of connections per process. A low value makes requests queue for a
    /// connection; a high value can exhaust `max_connections` of Postgres.
    pub connections: u32,
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `PgConnectOptions` would print the password
        f.debug_struct("DatabaseConfig").field("location", &self.location()).field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl DatabaseConfig {
    /// Database name, host and port, without credentials.
    #[must_use]
    pub fn location(&self) -> String {
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
    /// Reads `DATABASE_URL` or `PG*`, and `APRENDIZ_DATABASE_CONNECTIONS`.
    ///
    /// # Errors
    /// A variable is missing or invalid. The message names it and never shows the URL.
    pub fn database(&self) -> Result<DatabaseConfig> {
        let options = match self.secret("DATABASE_URL")? {
            Some(url) => parse_url(url.expose_secret())?,
            None if ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER"].iter().any(|name| self.text(name).is_some()) => {
                let options = PgConnectOptions::new();
                // a URL carries its own password; sqlx does not know PGPASSWORD_FILE
                match self.secret("PGPASSWORD")? {
                    Some(password) => options.password(password.expose_secret()),
                    None => options,
                }
            }
            None => bail!(
                "DATABASE_URL is not set: expected postgres://user:password@host:port/database, or the PG* variables (PGHOST, PGDATABASE, PGUSER ...)"
            ),
        };
        let connections = self.parsed("APRENDIZ_DATABASE_CONNECTIONS", 16, "an integer of at least 2")?;
        if connections < 2 {
            bail!("APRENDIZ_DATABASE_CONNECTIONS is {connections}: expected an integer of at least 2");
        }
        Ok(DatabaseConfig { options, connections })
    }
}

/// Within a transaction, `now()` is the time at which it began; outside, that of the statement. Only the simple protocol, which is that
/// of `raw_sql`, sends the statement in one message with one time.
async fn is_outside_transactions(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(conn).await?.try_get(0)
}

fn parse_url(url: &str) -> Result<PgConnectOptions> {
    // sqlx accepts any scheme
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    // the URL may contain a password: show neither the URL nor the parse error
    is_postgres.then(|| PgConnectOptions::from_str(url).ok()).flatten().ok_or_else(|| {
        anyhow!(
            "DATABASE_URL is invalid (value hidden, it may contain a password): expected postgres://user:password@host:port/database; {PERCENT_ENCODING}"
        )
    })
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;

    use super::*;

    /// The password that the connection would use.
    fn password(pairs: &[(&str, &str)]) -> Option<String> {
        let environment =
            Environment::from_fn(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        environment.database().unwrap().options.to_url_lossy().password().map(str::to_owned)
    }

    #[test]
    fn url_password_takes_precedence_over_pgpassword() {
        let folder = tempfile::tempdir().unwrap();
        let (url, file) = ("postgres://me:ofurl@host/db", folder.path().join("url"));
        std::fs::write(&file, format!("{url}\n")).unwrap();
        let other = ("PGPASSWORD", "other");
        assert_eq!(password(&[("DATABASE_URL", url), other]).as_deref(), Some("ofurl"));
        assert_eq!(password(&[("DATABASE_URL_FILE", file.to_str().unwrap()), other]).as_deref(), Some("ofurl"));
    }

    #[test]
    fn pgpassword_file_is_read_without_url() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "offile\n").unwrap();
        let pairs = [("PGHOST", "host"), ("PGPASSWORD_FILE", file.to_str().unwrap())];
        assert_eq!(password(&pairs).as_deref(), Some("offile"));
    }

    #[test]
    fn debug_output_hides_the_password() {
        let config =
            Environment::from_fn(|name: &str| (name == "DATABASE_URL").then(|| "postgres://me:hunter2@host/db".to_owned())).database();
        let printed = format!("{:?}", config.unwrap());
        assert!(printed.contains("host:5432") && !printed.contains("hunter2"), "{printed}");
    }
}
