//! `aprendiz migrate`: applies, checks or reverts database migrations.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use aprendiz_config::Environment;
use aprendiz_db::{LockWaits, SchemaReport, apply_migrations, read_schema};
use clap::Args;
use serde_json::json;
use sqlx::PgConnection;

use crate::cli::error::CliError;
use crate::cli::terminal::{Output, print_text};
use crate::database::{MIGRATOR, connect_one, require_migratable};

/// Arguments of `aprendiz migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz migrate
  aprendiz migrate --check                           list what is pending; exit code 6 if anything is
  aprendiz migrate --lock-timeout 1 --lock-attempts 60
  aprendiz migrate --down 1 --yes
  aprendiz migrate --revert-all --yes")]
pub(crate) struct MigrateArgs {
    /// List pending migrations without applying them, and whether this version can use the schema
    #[arg(long, conflicts_with_all = ["down", "revert_all"])]
    check: bool,
    /// Seconds that a migration waits for a lock while the statements of others wait behind it
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    lock_timeout: u16,
    /// Number of attempts to get the locks, with pauses in between
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    lock_attempts: u32,
    /// Revert the N newest migrations and delete their data
    #[arg(long, value_name = "N", conflicts_with = "revert_all", value_parser = clap::value_parser!(u32).range(1..))]
    down: Option<u32>,
    /// Revert all migrations and delete all data
    #[arg(long)]
    revert_all: bool,
    /// Confirm the loss of data
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: &MigrateArgs, output: Output) -> Result<(), CliError> {
    let reverting = args.revert_all || args.down.is_some();
    if reverting && !args.yes {
        return Err(CliError::Usage("reverting migrations deletes their data: confirm with --yes".to_owned()));
    }
    let config = Environment::process().database()?;
    let location = config.location();
    let mut conn = connect_one(&config).await?;
    if args.check {
        let report = read_schema(&mut conn, &MIGRATOR).await.with_context(|| format!("cannot read the migrations of {location}"))?;
        return check(&report, &location, output);
    }
    let versions: Vec<i64> =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration()).map(|migration| migration.version).collect();
    let count = versions.len();
    require_migratable(&mut conn).await.with_context(|| format!("cannot migrate the database {location}"))?;
    if !reverting {
        let waits = LockWaits { timeout: Duration::from_secs(args.lock_timeout.into()), attempts: args.lock_attempts };
        apply_migrations(&mut conn, &MIGRATOR, waits).await.with_context(|| format!("cannot migrate the database {location}"))?;
        print_text(&format!("database {location}: all {count} migrations applied"))?;
        return Ok(());
    }
    let target = if args.revert_all { 0 } else { target_version(&mut conn, args.down.unwrap_or(1)).await? };
    MIGRATOR.undo(&mut conn, target).await.with_context(|| format!("cannot revert migrations of the database {location}"))?;
    let kept = versions.iter().filter(|version| **version <= target).count();
    print_text(&format!("database {location}: {kept} of {count} migrations remain applied"))?;
    Ok(())
}

/// Prints the differences. They are an error if this version cannot use or migrate the schema.
fn check(report: &SchemaReport, location: &str, output: Output) -> Result<(), CliError> {
    let obstacle = find_obstacle(report);
    let value =
        json!({ "pending": report.pending, "unknown": report.unknown, "problem": obstacle.as_ref().err().map(ToString::to_string) });
    output.print(&value, || describe(report, location))?;
    obstacle.with_context(|| format!("database {location}"))?;
    if report.pending.is_empty() { Ok(()) } else { Err(CliError::MigrationsPending) }
}

/// Why neither `migrate` nor a server of this version can work with the schema.
fn find_obstacle(report: &SchemaReport) -> anyhow::Result<()> {
    if let Some(version) = report.changed.first() {
        bail!("migration {version} was changed after it was applied: use the release that applied it, and write a new migration instead");
    }
    let state = report.state();
    if state.is_usable() || !report.pending.is_empty() && report.interrupted.is_none() && report.unknown.is_empty() {
        return Ok(());
    }
    if report.pending.is_empty() {
        bail!(state.describe());
    }
    let unknown: Vec<String> = report.unknown.iter().map(|migration| migration.version.to_string()).collect();
    Err(anyhow!(
        "the database has migrations {} that this version does not know, and lacks others: use a version that has all of them",
        unknown.join(", ")
    ))
}

fn describe(report: &SchemaReport, location: &str) -> String {
    let mut lines: Vec<String> = report
        .pending
        .iter()
        .map(|migration| {
            let mut line = format!("  {:04} {}", migration.version, migration.name);
            if !migration.in_transaction {
                line += ": outside a transaction, does not block writes";
            }
            if let Some(needed) = migration.needs_programs_since {
                line += &format!(": servers and workers without migration {needed} stop working");
            }
            line
        })
        .collect();
    lines.insert(
        0,
        match report.pending.len() {
            0 => format!("database {location}: all {} migrations are applied", report.migrations),
            pending => format!("database {location}: {pending} of {} migrations are pending", report.migrations),
        },
    );
    if !report.unknown.is_empty() {
        let unknown: Vec<String> = report.unknown.iter().map(|migration| format!("{:04} {}", migration.version, migration.name)).collect();
        lines.push(format!("applied by a newer version: {}", unknown.join(", ")));
    }
    lines.join("\n")
}

/// The newest version that remains after `down` migrations are reverted.
async fn target_version(conn: &mut PgConnection, down: u32) -> anyhow::Result<i64> {
    use sqlx::migrate::Migrate as _;
    conn.ensure_migrations_table(&MIGRATOR.table_name).await?;
    let mut applied: Vec<i64> =
        conn.list_applied_migrations(&MIGRATOR.table_name).await?.into_iter().map(|migration| migration.version).collect();
    applied.sort_unstable_by(|a, b| b.cmp(a));
    Ok(applied.get(usize::try_from(down)?).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use aprendiz_db::{AppliedMigration, PendingMigration};

    use super::*;

    fn report(pending: &[i64], unknown: &[(i64, &str)]) -> SchemaReport {
        SchemaReport {
            pending: pending
                .iter()
                .map(|version| PendingMigration {
                    version: *version,
                    name: "contract 0058 drop column".to_owned(),
                    in_transaction: true,
                    needs_programs_since: Some(58),
                })
                .collect(),
            unknown: unknown.iter().map(|(version, name)| AppliedMigration { version: *version, name: (*name).to_owned() }).collect(),
            changed: Vec::new(),
            interrupted: None,
            migrations: 3,
            newest: 60,
        }
    }

    #[test]
    fn pending_migrations_are_no_obstacle_and_a_mix_of_versions_is() {
        assert!(find_obstacle(&report(&[], &[])).is_ok() && find_obstacle(&report(&[60], &[])).is_ok());
        assert!(find_obstacle(&report(&[], &[(61, "add column")])).is_ok());
        let error = find_obstacle(&report(&[60], &[(61, "add column")])).unwrap_err().to_string();
        assert!(error.contains("migrations 61 that this version does not know"), "{error}");
        let error = find_obstacle(&report(&[], &[(62, "contract 0061 drop column")])).unwrap_err().to_string();
        assert!(error.contains("removed what this version needs"), "{error}");
    }

    #[test]
    fn the_list_warns_of_migrations_that_end_old_programs() {
        let text = describe(&report(&[60], &[]), "`a` at b:1");
        assert_eq!(
            text,
            "database `a` at b:1: 1 of 3 migrations are pending\n  0060 contract 0058 drop column: servers and workers without \
             migration 58 stop working"
        );
    }
}
