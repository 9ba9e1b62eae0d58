//! `aprendiz migrate`: brings the schema up to this build, or reverts it.

use anyhow::Context as _;
use clap::Args;
use environment::Environment;
use sqlx::PgConnection;

use crate::cli::exit::CliError;
use crate::cli::output::emit;
use crate::database::{MIGRATOR, connect_one};

/// Flags of `aprendiz migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  aprendiz migrate\n  aprendiz migrate --down 1 --yes\n  aprendiz migrate --revert-all --yes")]
pub(crate) struct MigrateArgs {
    /// Revert the newest N migrations, with all they hold
    #[arg(long, value_name = "N", conflicts_with = "revert_all", value_parser = clap::value_parser!(u32).range(1..))]
    down: Option<u32>,
    /// Revert every migration: deletes everything
    #[arg(long)]
    revert_all: bool,
    /// Yes, lose the data that is reverted
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(args: &MigrateArgs) -> Result<(), CliError> {
    let reverting = args.revert_all || args.down.is_some();
    if reverting && !args.yes {
        return Err(CliError::Usage("reverting migrations deletes the data they hold: add --yes if that is meant".to_owned()));
    }
    let config = Environment::process().database()?;
    let place = config.place();
    let mut conn = connect_one(&config).await?;
    let versions: Vec<i64> =
        MIGRATOR.iter().filter(|migration| !migration.migration_type.is_down_migration()).map(|migration| migration.version).collect();
    let count = versions.len();
    if !reverting {
        MIGRATOR.run(&mut conn).await.with_context(|| format!("cannot migrate the database {place}"))?;
        emit(&format!("database {place}: all {count} migrations are applied"))?;
        return Ok(());
    }
    let target = if args.revert_all { 0 } else { newest_to_keep(&mut conn, args.down.unwrap_or(1)).await? };
    MIGRATOR.undo(&mut conn, target).await.with_context(|| format!("cannot revert the database {place}"))?;
    let kept = versions.iter().filter(|version| **version <= target).count();
    emit(&format!("database {place}: {kept} of {count} migrations are left"))?;
    Ok(())
}

/// The version that stays the newest when `down` migrations are reverted.
async fn newest_to_keep(conn: &mut PgConnection, down: u32) -> anyhow::Result<i64> {
    use sqlx::migrate::Migrate as _;
    conn.ensure_migrations_table(&MIGRATOR.table_name).await?;
    let mut applied: Vec<i64> =
        conn.list_applied_migrations(&MIGRATOR.table_name).await?.into_iter().map(|migration| migration.version).collect();
    applied.sort_unstable_by(|a, b| b.cmp(a));
    Ok(applied.get(usize::try_from(down)?).copied().unwrap_or(0))
}
