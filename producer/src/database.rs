//! The connection pool, and the migrations compiled into the binary.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use environment::DatabaseConfig;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Connection as _, PgConnection};

/// The migrations of this build.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// How long a request waits for a free connection before it is turned away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A session of a loop that does nothing inside a transaction for so long hangs.
const HUNG: Duration = Duration::from_secs(30);

/// What the session of a loop gets, so that Postgres ends it when its process hangs or its host is gone, and with it the locks that
/// it holds: without this they would stay for hours, and no other producer could take over.
pub(crate) fn loop_session(config: PgConnectOptions, name: &str, idle: Option<Duration>) -> PgConnectOptions {
    let mut options = vec![
        ("idle_in_transaction_session_timeout", HUNG.as_millis().to_string()),
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ];
    options.extend(idle.map(|idle| ("idle_session_timeout", idle.as_millis().to_string())));
    config.application_name(name).options(options)
}

/// What Postgres says when nobody has ever migrated this database.
const UNDEFINED_TABLE: &str = "42P01";

/// One connection, or the reason why there is none.
pub(crate) async fn connect_one(config: &DatabaseConfig) -> Result<PgConnection> {
    PgConnection::connect_with(&config.options)
        .await
        .with_context(|| format!("cannot reach the database {}: check DATABASE_URL (or PG*) and that Postgres runs", config.place()))
}

/// Opens the pool and makes sure that the database answers.
pub(crate) async fn connect(config: &DatabaseConfig) -> Result<PgPool> {
    // a pool tries for seconds and then knows only that time is up; one connection fails at once and says why
    connect_one(config).await?.close().await.context("closing a connection")?;
    let options = config.options.clone().application_name("aprendiz");
    let pool = config.pool_options().acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(pool.connect_lazy_with(options))
}

/// How the schema of a database relates to this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Exactly the migrations of this build are applied.
    Current,
    /// So many migrations of this build are not applied.
    Behind(usize),
    /// The database has migrations that this build does not know.
    Ahead,
    /// A migration stopped half-way.
    Dirty(i64),
}

/// Compares the migrations applied with those of this build. Changes nothing.
pub(crate) async fn schema_state(conn: &mut PgConnection) -> Result<SchemaState> {
    let table = MIGRATOR.table_name.as_ref();
    let wanted: Vec<i64> =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration()).map(|migration| migration.version).collect();
    let applied = match conn.list_applied_migrations(table).await {
        Ok(applied) => applied,
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if applied.is_empty() {
        return Ok(SchemaState::Behind(wanted.len()));
    }
    if let Some(version) = conn.dirty_version(table).await? {
        return Ok(SchemaState::Dirty(version));
    }
    if applied.iter().any(|migration| !wanted.contains(&migration.version)) {
        return Ok(SchemaState::Ahead);
    }
    let missing = wanted.iter().filter(|version| !applied.iter().any(|migration| migration.version == **version)).count();
    Ok(if missing == 0 { SchemaState::Current } else { SchemaState::Behind(missing) })
}

/// Refuses a database whose schema this build cannot work with.
pub(crate) async fn require_current_schema(pool: &PgPool) -> Result<()> {
    let mut conn = pool.acquire().await?;
    let schema = schema_state(&mut conn).await?;
    if schema.is_usable() { Ok(()) } else { bail!("{}", schema.in_words()) }
}

impl SchemaState {
    /// Whether this build can work with it. A newer schema must do: migrations only expand until the last old binary is gone.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self, Self::Current | Self::Ahead)
    }

    /// What is the matter, and the way out.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Current => "all migrations are applied".to_owned(),
            Self::Behind(missing) => format!("{missing} migrations are not applied: run `aprendiz migrate`"),
            Self::Ahead => "all migrations are applied, and newer ones that this version does not know".to_owned(),
            Self::Dirty(version) => {
                format!("migration {version} stopped half-way: look into the log of `aprendiz migrate`, repair, and run it again")
            }
        }
    }
}
