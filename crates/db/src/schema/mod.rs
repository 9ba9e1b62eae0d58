//! The schema of a database relative to the migrations of a program, and their application.

mod apply;
mod report;

pub use apply::{LockWaits, MigrationError, apply_migrations};
pub use report::{AppliedMigration, PendingMigration, SchemaReport, SchemaState, read_schema};
