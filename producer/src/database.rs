//! Database connections, and the migrations compiled into the binary.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aprendiz_config::DatabaseConfig;
use aprendiz_db::{Database, Session, missing_right_to_migrate, unusable_database, unusable_encoding};
use sqlx::PgConnection;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};

/// The migrations of this build.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Name of the connections in `pg_stat_activity`.
const APPLICATION: &str = "aprendiz";

/// Maximum time that a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum idle time of a background session inside a transaction.
const TRANSACTION_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Session of a background task. Postgres ends it if its process hangs or its host is lost, and releases its locks. Otherwise they would
/// stay for hours, and no other producer could take over.
pub(crate) fn background_session(database: &Database, name: &str, idle: Option<Duration>) -> Session {
    let session = database
        .session(name)
        .set("idle_in_transaction_session_timeout", TRANSACTION_IDLE_TIMEOUT.as_millis().to_string())
        .set("tcp_keepalives_idle", "10")
        .set("tcp_keepalives_interval", "5")
        .set("tcp_keepalives_count", "3");
    match idle {
        Some(idle) => session.set("idle_session_timeout", idle.as_millis().to_string()),
        None => session,
    }
}

/// SQLSTATE of a database that was never migrated.
const UNDEFINED_TABLE: &str = "42P01";

/// Opens a single session, after a check of the configuration.
pub(crate) async fn connect_one(config: &DatabaseConfig) -> Result<PgConnection> {
    config.check().await?;
    config.session(APPLICATION).connect().await.with_context(|| format!("connecting to database {}", config.location()))
}

/// Opens the database after a check of the configuration, which fails at once with the cause: a pool retries for seconds and then only
/// reports a timeout.
pub(crate) async fn connect(config: &DatabaseConfig) -> Result<Database> {
    config.check().await?;
    Ok(config.open(APPLICATION, config.session(APPLICATION), ACQUIRE_TIMEOUT))
}

/// State of the database schema relative to the migrations of this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Exactly the migrations of this build are applied.
    Current,
    /// This many migrations of this build are not applied.
    Behind(usize),
    /// The database has migrations that this build does not know.
    Ahead,
    /// A migration was interrupted.
    Dirty(i64),
}

/// Compares the applied migrations with those of this build, without changes.
pub(crate) async fn schema_state(conn: &mut PgConnection) -> Result<SchemaState> {
    let table = MIGRATOR.table_name.as_ref();
    let expected: Vec<i64> =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration()).map(|migration| migration.version).collect();
    let applied = match conn.list_applied_migrations(table).await {
        Ok(applied) => applied,
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if applied.is_empty() {
        return Ok(SchemaState::Behind(expected.len()));
    }
    if let Some(version) = conn.dirty_version(table).await? {
        return Ok(SchemaState::Dirty(version));
    }
    if applied.iter().any(|migration| !expected.contains(&migration.version)) {
        return Ok(SchemaState::Ahead);
    }
    let missing = expected.iter().filter(|version| !applied.iter().any(|migration| migration.version == **version)).count();
    Ok(if missing == 0 { SchemaState::Current } else { SchemaState::Behind(missing) })
}

/// Rejects a database whose encoding, schema or rights this build cannot use, and returns a description of the schema.
pub(crate) async fn require_usable(conn: &mut PgConnection) -> Result<String> {
    // the rights first, because the state of the schema is in a table too
    if let Some(problem) = unusable_database(conn).await? {
        bail!(problem);
    }
    let schema = schema_state(conn).await?;
    if !schema.is_usable() {
        bail!(schema.describe());
    }
    Ok(schema.describe())
}

/// Rejects a database in which this role cannot create the tables.
pub(crate) async fn require_migratable(conn: &mut PgConnection) -> Result<()> {
    if let Some(problem) = unusable_encoding(conn).await? {
        bail!(problem);
    }
    if let Some(problem) = missing_right_to_migrate(conn).await? {
        bail!(problem);
    }
    Ok(())
}

impl SchemaState {
    /// Whether this build can use the schema. A newer schema is accepted: migrations only add until no old binary is left.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self, Self::Current | Self::Ahead)
    }

    /// Describes the state and the way out.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Current => "all migrations are applied".to_owned(),
            Self::Behind(missing) => format!("{missing} migrations are not applied: run `aprendiz migrate`"),
            Self::Ahead => "all migrations are applied, and newer ones that this version does not know".to_owned(),
            Self::Dirty(version) => {
                format!("migration {version} was interrupted: check the log of `aprendiz migrate`, repair the database, and run it again")
            }
        }
    }
}
