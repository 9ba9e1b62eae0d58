//! Checks of the services that a server needs: database, sessions, Redis, bucket, background tasks, clock and disk of this host.

use aprendiz_text::count;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aprendiz_artifacts::Store;
use aprendiz_config::Environment;
use aprendiz_queue::diagnose;
use aprendiz_runs::{TaskStatus, list_background_tasks};
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::cli::operations::doctor::check::{Check, clock, disk};
use crate::database::{background_session, connect, connect_one, require_usable, schema_state};
use crate::oidc::{OidcSettings, Provider};

/// Channel of a notification to this process.
const NOTIFY_CHANNEL: &str = "aprendiz_doctor";
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle time of a session, as reaper and sweeper limit theirs.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// Variables of which a server needs at least one, so that they tell a host of a server from one of a client.
const SERVER_VARIABLES: [&str; 7] =
    ["DATABASE_URL", "DATABASE_URL_FILE", "PGHOST", "PGDATABASE", "REDIS_URL", "REDIS_URL_FILE", "APRENDIZ_BUCKET"];

/// Whether the environment is that of a server.
pub(super) fn is_server_environment<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> bool {
    SERVER_VARIABLES.iter().any(|name| env.text(name).is_some())
}

/// Checks every service directly.
pub(super) async fn check_services() -> Vec<Check> {
    let (database, sessions, redis, bucket, tasks, clock) =
        tokio::join!(database(), background_sessions(), redis(), bucket(), background_tasks(), database_clock());
    let outcomes = [("database", database), ("sessions", sessions), ("redis", redis), ("bucket", bucket), ("tasks", tasks)];
    let mut checks: Vec<Check> = outcomes.into_iter().map(|(name, outcome)| Check::from_outcome(name, outcome)).collect();
    checks.extend(clock);
    checks.push(temporary_files());
    checks.extend(oidc().await);
    checks
}

/// Compares the clock of this host with that of the database; `None` if the database cannot be asked, which another check reports.
async fn database_clock() -> Option<Check> {
    let config = Environment::process().database().ok()?;
    let mut conn = connect_one(&config).await.ok()?;
    let before = Utc::now();
    let now: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut conn).await.ok()?;
    let after = Utc::now();
    Some(clock("the database", now, before + (after - before) / 2))
}

/// Free space for uploads and other temporary files of a server on this host.
fn temporary_files() -> Check {
    let folder = std::env::temp_dir();
    let free = rustix::fs::statvfs(&folder).ok().map(|file_system| file_system.f_bavail.saturating_mul(file_system.f_frsize));
    let place = folder.display().to_string();
    match free {
        Some(free) => disk("disk", &[(place, free)], "set TMPDIR to a folder with more space, or free some"),
        None => Check::warning("disk", format!("the free space of {place} cannot be read: set TMPDIR to a folder of this host")),
    }
}

async fn database() -> Result<String> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    let schema = require_usable(&mut conn).await.with_context(|| config.location())?;
    Ok(format!("{}, {schema}", config.location()))
}

/// Connects as relay, reaper and sweeper do, and receives a notification.
async fn background_sessions() -> Result<String> {
    let config = Environment::process().database()?;
    let session = background_session(&connect(&config).await?, "aprendiz-doctor", Some(SESSION_TIMEOUT));
    let notified = async {
        let mut conn = session.connect().await?;
        let mut listener = session.listen(NOTIFY_CHANNEL).await?;
        sqlx::query("SELECT pg_notify($1, '')").bind(NOTIFY_CHANNEL).execute(&mut conn).await?;
        listener.recv().await
    };
    match timeout(NOTIFY_TIMEOUT, notified).await {
        Ok(Ok(_)) => Ok("sessions and notifications of the background tasks work".to_owned()),
        Ok(Err(error)) => bail!(
            "the background tasks of aprendiz serve cannot connect ({error}): check DATABASE_URL, or APRENDIZ_DATABASE_DIRECT_URL behind a pooler"
        ),
        Err(_) => bail!(
            "no notification arrived within {} s: set APRENDIZ_DATABASE_DIRECT_URL if DATABASE_URL leads to a pooler",
            NOTIFY_TIMEOUT.as_secs()
        ),
    }
}

/// When each background task last succeeded on any server.
async fn background_tasks() -> Result<String> {
    let config = Environment::process().database()?;
    let mut conn = connect_one(&config).await?;
    if !schema_state(&mut conn).await?.is_usable() {
        bail!("not checked, because migrations are not applied");
    }
    let tasks = list_background_tasks(&mut conn).await?;
    let overdue: Vec<String> = tasks.iter().filter(|task| task.is_overdue()).map(describe_overdue).collect();
    if !overdue.is_empty() {
        bail!("{}: check that aprendiz serve runs, and its log", overdue.join("; "));
    }
    let ages = tasks.iter().filter_map(|task| Some(format!("{} {:.0} s ago", task.name, task.success_age_seconds?)));
    let ages: Vec<String> = ages.collect();
    Ok(if ages.is_empty() { "no server has run yet".to_owned() } else { format!("last successful rounds: {}", ages.join(", ")) })
}

fn describe_overdue(task: &TaskStatus) -> String {
    let error = task.current_error().map(|error| format!(" ({error})")).unwrap_or_default();
    match task.success_age_seconds {
        Some(age) => format!("{}: no successful round for {age:.0} s{error}", task.name),
        None => format!("{}: no successful round yet{error}", task.name),
    }
}

/// The provider with which people sign in; `None` if none is configured.
async fn oidc() -> Option<Check> {
    let settings = match OidcSettings::read(&Environment::process()) {
        Ok(settings) => settings?,
        Err(error) => return Some(Check::from_outcome("oidc", Err(error))),
    };
    let described = settings.to_string();
    let outcome = async { Ok(Provider::new(settings)?.check().await?) }.await;
    Some(Check::from_outcome("oidc", outcome.map(|keys| format!("{described}: responds, {}", count(keys as u64, "key")))))
}

async fn redis() -> Result<String> {
    let config = Environment::process().queue()?;
    match diagnose(&config).await {
        Ok(depth) => Ok(format!("writes, wake-ups and messages work, {} queued", count(depth, "message"))),
        Err(diagnosis) => {
            bail!("{diagnosis}; {} (runs start only when workers poll meanwhile)", config.advice(diagnosis.error.fault()))
        }
    }
}

async fn bucket() -> Result<String> {
    let config = Environment::process().store()?;
    let store = Store::connect(&config).await?;
    let failures: Vec<String> = store.probe().await.iter().map(ToString::to_string).collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(format!("bucket `{}`: listed, wrote, read and deleted a small and a multipart object", store.bucket()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_of_a_server_make_it_one() {
        let env = |name: &'static str| Environment::from_fn(move |asked: &str| (asked == name).then(|| "x".to_owned()));
        assert!(is_server_environment(&env("DATABASE_URL")) && is_server_environment(&env("APRENDIZ_BUCKET")));
        assert!(!is_server_environment(&env("APRENDIZ_URL")) && !is_server_environment(&env("APRENDIZ_API_KEY")));
    }
}
