//! Postgres connection settings.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aprendiz_db::{Database, ServerFacts, Session, shares_sessions};
use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::variables::{Environment, PERCENT_ENCODING};

const URL: &str = "DATABASE_URL";
const DIRECT_URL: &str = "APRENDIZ_DATABASE_DIRECT_URL";

/// Postgres connection settings. `Debug` does not show the password.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// Address and credentials, from `DATABASE_URL` or the `PG*` variables.
    pub options: PgConnectOptions,
    /// `APRENDIZ_DATABASE_DIRECT_URL`, default none: the same database without the pooler in transaction mode to which `DATABASE_URL`
    /// leads. Without it, everything uses `DATABASE_URL`.
    pub direct: Option<PgConnectOptions>,
    /// `APRENDIZ_DATABASE_CONNECTIONS`, default 16, 2 to 1000: maximum number of connections per process. A low value makes requests queue for a
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
        describe(&self.options)
    }

    /// Sessions with Postgres itself.
    #[must_use]
    pub fn session(&self, application_name: &str) -> Session {
        Session::new(self.direct.clone().unwrap_or_else(|| self.options.clone())).named(application_name)
    }

    /// The database as this process uses it, with the settings of `session` in every transaction. It connects when first used.
    #[must_use]
    pub fn open(&self, application_name: &str, session: Session, acquire_timeout: Duration) -> Database {
        let pool = PgPoolOptions::new().max_connections(self.connections).acquire_timeout(acquire_timeout);
        match self.direct {
            Some(_) => Database::behind_pooler(self.options.clone().application_name(application_name), session, pool),
            None => Database::direct(session, pool),
        }
    }

    /// Connects, and refuses a configuration that cannot work.
    ///
    /// # Errors
    /// The database cannot be reached or is read-only, or a session is needed where a pooler in transaction mode gives none.
    pub async fn check(&self) -> Result<()> {
        let unreachable = |variable: &str, options: &PgConnectOptions| {
            format!("cannot connect to database {}: check {variable}, and that Postgres is running", describe(options))
        };
        let (variable, options) = self.direct.as_ref().map_or(("DATABASE_URL (or PG*)", &self.options), |direct| (DIRECT_URL, direct));
        let session = self.session("aprendiz check");
        let facts = ServerFacts::read(&session).await.with_context(|| unreachable(variable, options))?;
        let is_pooler = shares_sessions(&session).await.with_context(|| unreachable(variable, options))?;
        match &self.direct {
            None => ensure!(
                !is_pooler,
                "{URL} leads to a pooler in transaction mode (such as PgBouncer with pool_mode = transaction): set {DIRECT_URL} to an address \
                 of the same database without this pooler; sessions are needed for LISTEN, locks and long statements"
            ),
            Some(_) => {
                ensure!(
                    !is_pooler,
                    "{DIRECT_URL} leads to a pooler in transaction mode: set it to an address of Postgres itself, or of a pooler in session mode"
                );
                let pooler =
                    ServerFacts::read(&Session::new(self.options.clone())).await.with_context(|| unreachable(URL, &self.options))?;
                ensure!(
                    pooler.is_same_database(&facts),
                    "{URL} and {DIRECT_URL} lead to different databases (`{}` and `{}`): set both to the same database of the same server",
                    pooler.database,
                    facts.database
                );
            }
        }
        ensure!(
            !facts.read_only,
            "database `{}` is read-only: it is a standby, or default_transaction_read_only is on for the database or the role; use the \
             primary, or turn the setting off",
            facts.database
        );
        Ok(())
    }
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// Reads `DATABASE_URL` or `PG*`, `APRENDIZ_DATABASE_DIRECT_URL` and `APRENDIZ_DATABASE_CONNECTIONS`.
    ///
    /// # Errors
    /// A variable is missing or invalid. The message names it and never shows the URL.
    pub fn database(&self) -> Result<DatabaseConfig> {
        let options = match self.secret(URL)? {
            Some(url) => parse_url(URL, url.expose_secret())?,
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
        let direct = self.secret(DIRECT_URL)?.map(|url| parse_url(DIRECT_URL, url.expose_secret())).transpose()?;
        Ok(DatabaseConfig { options, direct, connections: self.database_connections()? })
    }

    /// Reads `APRENDIZ_DATABASE_CONNECTIONS`, of which other limits are parts.
    ///
    /// # Errors
    /// The number is not within its range.
    pub fn database_connections(&self) -> Result<u32> {
        self.number("APRENDIZ_DATABASE_CONNECTIONS", 16, 2..=1_000)
    }
}

/// Database name, host and port, without credentials.
fn describe(options: &PgConnectOptions) -> String {
    format!("`{}` at {}:{}", options.get_database().unwrap_or("(default)"), options.get_host(), options.get_port())
}

fn parse_url(variable: &str, url: &str) -> Result<PgConnectOptions> {
    // sqlx accepts any scheme
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    // the URL may contain a password: show neither the URL nor the parse error
    let is_clear = is_postgres && !has_ambiguous_credentials(url);
    is_clear.then(|| PgConnectOptions::from_str(url).ok()).flatten().ok_or_else(|| {
        anyhow!(
            "{variable} is invalid (value hidden, it may contain a password): expected postgres://user:password@host:port/database; {PERCENT_ENCODING}"
        )
    })
}

/// Whether a special character in user name or password may have ended it early, so that its rest would be taken for the host and shown.
fn has_ambiguous_credentials(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return true };
    let address = rest.split('?').next().unwrap_or(rest);
    let authority = address.split('/').next().unwrap_or(address);
    rest.contains('#') || authority.matches('@').count() > 1 || address.matches('@').count() > authority.matches('@').count()
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
    fn an_invalid_direct_url_is_named_and_not_shown() {
        let environment = Environment::from_fn(|name: &str| match name {
            "DATABASE_URL" => Some("postgres://me:hunter2@host/db".to_owned()),
            "APRENDIZ_DATABASE_DIRECT_URL" => Some("http://me:hunter2@host/db".to_owned()),
            _ => None,
        });
        let error = environment.database().unwrap_err().to_string();
        assert!(error.contains("APRENDIZ_DATABASE_DIRECT_URL is invalid") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn debug_output_hides_the_password() {
        let config =
            Environment::from_fn(|name: &str| (name == "DATABASE_URL").then(|| "postgres://me:hunter2@host/db".to_owned())).database();
        let printed = format!("{:?}", config.unwrap());
        assert!(printed.contains("host:5432") && !printed.contains("hunter2"), "{printed}");
    }
}
