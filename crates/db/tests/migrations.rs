//! Application of migrations, against a real database.

use std::path::Path;
use std::time::Duration;

use aprendiz_db::{LockWaits, MigrationError, SchemaState, apply_migrations, read_schema};
use aprendiz_test_support::TestDatabase;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

const WAITS: LockWaits = LockWaits { timeout: Duration::from_millis(50), attempts: 2 };

/// Migrations of a table of the test, beside those of the database.
async fn migrations(folder: &Path, files: &[(&str, &str)]) -> Migrator {
    for (name, sql) in files {
        std::fs::write(folder.join(name), sql).expect("a temporary folder can be written");
    }
    let mut migrator = Migrator::new(folder).await.expect("the files are migrations");
    migrator.dangerous_set_table_name("test_migrations");
    migrator
}

const FIRST: (&str, &str) = ("0001_create.sql", "CREATE TABLE locked_table (a int)");
const SECOND: (&str, &str) = ("0002_add_column.sql", "ALTER TABLE locked_table ADD COLUMN b int");
const INDEX: (&str, &str) = ("0003_index.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY locked_index ON locked_table (b)");

#[tokio::test]
async fn pending_migrations_are_listed_and_applied() {
    let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().unwrap());
    let migrator = migrations(folder.path(), &[FIRST, SECOND, INDEX]).await;
    let conn = &mut *database.pool().acquire().await.unwrap();
    let report = read_schema(conn, &migrator).await.unwrap();
    let pending: Vec<_> = report.pending.iter().map(|pending| (pending.version, pending.name.as_str(), pending.in_transaction)).collect();
    assert_eq!(pending, [(1, "create", true), (2, "add column", true), (3, "index", false)]);
    assert_eq!(apply_migrations(conn, &migrator, WAITS).await.unwrap(), 3);
    assert_eq!(read_schema(conn, &migrator).await.unwrap().state(), SchemaState::Current);
    assert_eq!(apply_migrations(conn, &migrator, WAITS).await.unwrap(), 0);
}

#[tokio::test]
async fn a_migration_waits_for_a_lock_only_a_bounded_number_of_times() {
    let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().unwrap());
    let conn = &mut *database.pool().acquire().await.unwrap();
    apply_migrations(conn, &migrations(folder.path(), &[FIRST]).await, WAITS).await.unwrap();
    let migrator = migrations(folder.path(), &[SECOND]).await;

    let mut reader = PgConnection::connect(database.url()).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM locked_table").execute(&mut *reading).await.unwrap();
    let error = apply_migrations(conn, &migrator, WAITS).await.unwrap_err();
    assert!(matches!(error, MigrationError::Locked { attempts: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("open transactions: process "), "{error}");
    assert_eq!(read_schema(conn, &migrator).await.unwrap().state(), SchemaState::Behind(1));

    reading.rollback().await.unwrap();
    apply_migrations(conn, &migrator, WAITS).await.unwrap();
    assert_eq!(read_schema(conn, &migrator).await.unwrap().state(), SchemaState::Current);
}

#[tokio::test]
async fn a_changed_and_a_contracting_migration_are_found() {
    let (database, old, new) = (TestDatabase::create().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let conn = &mut *database.pool().acquire().await.unwrap();
    let contract = ("0003_contract_0002_drop_column.sql", "ALTER TABLE locked_table DROP COLUMN b");
    apply_migrations(conn, &migrations(new.path(), &[FIRST, SECOND, contract]).await, WAITS).await.unwrap();

    let program = migrations(old.path(), &[FIRST]).await;
    let state = read_schema(conn, &program).await.unwrap().state();
    assert!(matches!(&state, SchemaState::TooNew(migration) if migration.version == 3), "{state:?}");
    // a program that knows migration 2 works without the column
    let program = migrations(old.path(), &[SECOND]).await;
    assert_eq!(read_schema(conn, &program).await.unwrap().state(), SchemaState::Ahead);
    let program = migrations(old.path(), &[(SECOND.0, "SELECT 1")]).await;
    assert_eq!(read_schema(conn, &program).await.unwrap().changed, [2]);
}
