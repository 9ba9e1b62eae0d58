//! `aprendiz migrate`: applies or reverts database migrations.

use anyhow::Context as _;
use aprendiz_config::Environment;
use clap::Args;
use sqlx::PgConnection;

use crate::cli::error::CliError;
use crate::cli::terminal::print_text;
use crate::database::{MIGRATOR, connect_one, require_migratable};

/// Arguments of `aprendiz migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  aprendiz migrate\n  aprendiz migrate --down 1 --yes\n  aprendiz migrate --revert-all --yes")]
pub(crate) struct MigrateArgs {
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

pub(crate) async fn run(args: &MigrateArgs) -> Result<(), CliError> {
    let reverting = args.revert_all || args.down.is_some();
    if reverting && !args.yes {
        return Err(CliError::Usage("reverting migrations deletes their data: confirm with --yes".to_owned()));
    }
    let config = Environment::process().database()?;
    let location = config.location();
    let mut conn = connect_one(&config).await?;
    let versions: Vec<i64> =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration()).map(|migration| migration.version).collect();
    let count = versions.len();
    require_migratable(&mut conn).await.with_context(|| format!("cannot migrate the database {location}"))?;
    if !reverting {
        MIGRATOR.run(&mut conn).await.with_context(|| format!("cannot migrate the database {location}"))?;
        print_text(&format!("database {location}: all {count} migrations applied"))?;
        return Ok(());
    }
    let target = if args.revert_all { 0 } else { target_version(&mut conn, args.down.unwrap_or(1)).await? };
    MIGRATOR.undo(&mut conn, target).await.with_context(|| format!("cannot revert migrations of the database {location}"))?;
    let kept = versions.iter().filter(|version| **version <= target).count();
    print_text(&format!("database {location}: {kept} of {count} migrations remain applied"))?;
    Ok(())
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
