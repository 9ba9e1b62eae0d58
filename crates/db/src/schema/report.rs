//! Compares the migrations that a database has with those of a program.

use serde::Serialize;
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Error, PgConnection};

/// SQLSTATE of a database that was never migrated.
const UNDEFINED_TABLE: &str = "42P01";

/// First word of the name of a migration that removes something. The number after it is the newest migration that a program must know to
/// work without it: `0071_contract_0058_drop_old_column`.
const CONTRACT: &str = "contract ";

/// A migration of the program that the database lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Whether it runs in one transaction. One that does not builds an index without blocking writes.
    pub in_transaction: bool,
    /// For a migration that removes something: programs that do not know this migration stop working.
    pub needs_programs_since: Option<i64>,
}

/// A migration of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
}

/// The differences between a database and a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaReport {
    /// Migrations that the database lacks, oldest first.
    pub pending: Vec<PendingMigration>,
    /// Migrations that the program does not know, oldest first.
    pub unknown: Vec<AppliedMigration>,
    /// Migrations whose file changed after they were applied.
    pub changed: Vec<i64>,
    /// An interrupted migration.
    pub interrupted: Option<i64>,
    /// Number of migrations of the program.
    pub migrations: usize,
    /// The newest migration of the program.
    pub newest: i64,
}

/// What a program can do with the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// Exactly the migrations of the program are applied.
    Current,
    /// This many migrations of the program are not applied.
    Behind(usize),
    /// The database has migrations that the program does not know, and none of them removes what it needs.
    Ahead,
    /// The database has a migration that removes what the program needs.
    TooNew(AppliedMigration),
    /// A migration was interrupted.
    Dirty(i64),
}

impl SchemaReport {
    /// The state, by which servers and workers decide whether they start.
    #[must_use]
    pub fn state(&self) -> SchemaState {
        if let Some(version) = self.interrupted {
            return SchemaState::Dirty(version);
        }
        let is_too_new = |migration: &&AppliedMigration| needed_migration(&migration.name).is_some_and(|needed| needed > self.newest);
        if let Some(migration) = self.unknown.iter().find(is_too_new) {
            return SchemaState::TooNew(migration.clone());
        }
        match (self.pending.len(), self.unknown.is_empty()) {
            (0, true) => SchemaState::Current,
            (0, false) => SchemaState::Ahead,
            (pending, _) => SchemaState::Behind(pending),
        }
    }
}

impl SchemaState {
    /// Whether the program can use the schema. A newer one is accepted unless it removes something that the program needs.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self, Self::Current | Self::Ahead)
    }

    /// Describes the state and the way out.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Current => "all migrations are applied".to_owned(),
            Self::Behind(missing) => format!("{missing} migrations are not applied: run `aprendiz migrate`"),
            Self::Ahead => "all migrations are applied, and newer ones that this version does not know".to_owned(),
            Self::TooNew(AppliedMigration { version, name }) => format!(
                "migration {version} ({name}) of a newer version removed what this version needs: start the newer version, or restore the \
                 backup of before"
            ),
            Self::Dirty(version) => {
                format!("migration {version} was interrupted: check the log of `aprendiz migrate`, repair the database and run it again")
            }
        }
    }
}

/// Reads the differences, without changes.
///
/// # Errors
/// When Postgres does not answer.
pub async fn read_schema(conn: &mut PgConnection, migrator: &Migrator) -> Result<SchemaReport, Error> {
    let applied = read_applied(conn, &migrator.table_name).await?;
    let own = || migrator.iter().filter(|migration| !migration.migration_type.is_down_migration());
    let pending = own().filter(|migration| !applied.iter().any(|row| row.version == migration.version));
    let changed =
        own().filter(|migration| applied.iter().any(|row| row.version == migration.version && *row.checksum != *migration.checksum));
    let unknown = applied.iter().filter(|row| !own().any(|migration| migration.version == row.version));
    Ok(SchemaReport {
        pending: pending
            .map(|migration| PendingMigration {
                version: migration.version,
                name: migration.description.to_string(),
                in_transaction: !migration.no_tx,
                needs_programs_since: needed_migration(&migration.description),
            })
            .collect(),
        unknown: unknown.map(|row| AppliedMigration { version: row.version, name: row.description.clone() }).collect(),
        changed: changed.map(|migration| migration.version).collect(),
        interrupted: applied.iter().find(|row| !row.success).map(|row| row.version),
        migrations: own().count(),
        newest: own().map(|migration| migration.version).max().unwrap_or_default(),
    })
}

#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
    success: bool,
}

/// The migrations of the database, oldest first; none if it was never migrated.
async fn read_applied(conn: &mut PgConnection, table: &str) -> Result<Vec<Applied>, Error> {
    let sql = format!("SELECT version, description, checksum, success FROM {table} ORDER BY version");
    match sqlx::query_as(AssertSqlSafe(sql)).fetch_all(conn).await {
        Err(Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => Ok(Vec::new()),
        result => result,
    }
}

/// The newest migration that a program must know to work after a migration of this name; `None` if it only adds.
fn needed_migration(name: &str) -> Option<i64> {
    name.strip_prefix(CONTRACT)?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(unknown: &[(i64, &str)], pending: usize) -> SchemaReport {
        let pending = (0..pending)
            .map(|number| PendingMigration {
                version: i64::try_from(number).unwrap(),
                name: "add column".to_owned(),
                in_transaction: true,
                needs_programs_since: None,
            })
            .collect();
        let unknown = unknown.iter().map(|(version, name)| AppliedMigration { version: *version, name: (*name).to_owned() }).collect();
        SchemaReport { pending, unknown, changed: Vec::new(), interrupted: None, migrations: 2, newest: 58 }
    }

    #[test]
    fn a_newer_schema_is_accepted_unless_it_removed_something() {
        assert_eq!(report(&[], 0).state(), SchemaState::Current);
        assert_eq!(report(&[(59, "add column")], 0).state(), SchemaState::Ahead);
        assert_eq!(report(&[(59, "contract 0058 drop column")], 0).state(), SchemaState::Ahead, "this program knows migration 58");
        let state = report(&[(61, "contract 0059 drop column")], 0).state();
        assert!(!state.is_usable() && state.describe().contains("migration 61 (contract 0059 drop column)"), "{state:?}");
        assert_eq!(report(&[(59, "add column")], 3).state(), SchemaState::Behind(3));
    }

    #[test]
    fn the_name_of_a_contracting_migration_names_the_one_that_programs_need() {
        assert_eq!(needed_migration("contract 0058 drop old column"), Some(58));
        for name in ["trace state", "contract terms", "contracts 0058", "contract"] {
            assert_eq!(needed_migration(name), None, "{name}");
        }
    }
}
