//! Database connections, and the migrations compiled into the binary.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aprendiz_config::DatabaseConfig;
use aprendiz_db::{Database, SchemaState, Session, missing_right_to_migrate, read_schema, unusable_database, unusable_encoding};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

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

/// Compares the applied migrations with those of this build, without changes.
pub(crate) async fn schema_state(conn: &mut PgConnection) -> Result<SchemaState> {
    Ok(read_schema(conn, &MIGRATOR).await?.state())
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
