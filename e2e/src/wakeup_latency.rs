//! `aprendiz-wakeup-latency`: measures the start latency of runs on a running installation.
//!
//! It creates dataset-only runs that reuse the snapshot of another run, one at a time, so that each run finds an idle worker. Times are
//! those of the database clock. `wakeup_published_at` is written just before the wake-up is sent to Redis, so the first latency is an upper bound
//! of the time from wake-up to start. The second one is the time since the request was stored.
//!
//! `--fill` only creates the runs, for workers that are started later. `--drain` waits until the latest runs have ended, and reports the
//! time from the first start to the last end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// Pause between runs. A worker is idle only after it has polled once more and waits for the wake-up.
const IDLE_DELAY: Duration = Duration::from_millis(50);

/// Poll interval of `--drain`.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Measure the start latency of runs on an idle worker
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Number of runs to measure
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Number of runs before the measurement
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Create the runs and exit; requires no worker
    #[arg(long, conflicts_with = "drain")]
    fill: bool,
    /// Wait until the latest runs have ended
    #[arg(long)]
    drain: bool,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// Run whose snapshot is reused (default: the latest run with a dataset snapshot)
    #[arg(long, value_name = "ID")]
    training_run: Option<Uuid>,
    /// URL of the API
    #[arg(long, env = "APRENDIZ_URL")]
    url: String,
    /// API key with the role operator
    #[arg(long, env = "APRENDIZ_API_KEY", hide_env_values = true)]
    api_key: String,
    /// URL of the database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.runs > 0, "--runs must be at least 1");
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut conn = PgConnection::connect(&arguments.database_url).await.context("cannot reach the database: check DATABASE_URL")?;
    if arguments.drain {
        return drain(&mut conn, &arguments).await;
    }
    let parent = match arguments.training_run {
        Some(id) => id,
        None => latest_run(&mut conn).await?,
    };
    let client = Client::new();
    if arguments.fill {
        for _ in 0..arguments.runs {
            create(&client, &arguments, parent).await?;
        }
        return Ok(());
    }
    let mut ids = Vec::with_capacity(arguments.runs);
    for number in 0..arguments.warm_up + arguments.runs {
        tokio::time::sleep(IDLE_DELAY).await;
        let id = execute_run(&client, &arguments, parent).await?;
        if number >= arguments.warm_up {
            ids.push(id);
        }
    }
    let mut since_wake_up = latencies(&mut conn, "wakeup_published_at", &ids).await?;
    let mut since_creation = latencies(&mut conn, "created_at", &ids).await?;
    if arguments.json {
        println!(
            "{}",
            json!({ "runs": ids.len(), "wakeup_to_start_ms": percentiles(&mut since_wake_up), "create_to_start_ms": percentiles(&mut since_creation) })
        );
        return Ok(());
    }
    println!("{} dataset-only runs, one at a time", ids.len());
    report("wake-up to start", &mut since_wake_up);
    report("creation to start", &mut since_creation);
    Ok(())
}

/// Waits until the latest runs have ended and reports the time per run of all workers together.
async fn drain(conn: &mut PgConnection, arguments: &Arguments) -> Result<()> {
    let unfinished = "SELECT count(*) FROM training_runs WHERE finished_at IS NULL";
    while sqlx::query_scalar::<_, i64>(unfinished).fetch_one(&mut *conn).await? > 0 {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let statistics = "
        SELECT count(*) FILTER (WHERE r.status = 'succeeded'),
            extract(epoch FROM max(r.finished_at) - min(a.started_at))::float8,
            (avg(extract(epoch FROM r.finished_at - a.started_at)) * 1000)::float8
        FROM (SELECT * FROM training_runs ORDER BY created_at DESC LIMIT $1) r
        JOIN attempts a ON a.run_id = r.id AND a.number = 1";
    let (succeeded, seconds, held): (i64, Option<f64>, Option<f64>) =
        sqlx::query_as(statistics).bind(i64::try_from(arguments.runs)?).fetch_one(conn).await?;
    ensure!(usize::try_from(succeeded) == Ok(arguments.runs), "{succeeded} of {} runs succeeded", arguments.runs);
    let (seconds, held) = (seconds.context("there are no runs")?, held.context("there are no runs")?);
    let each = seconds * 1000.0 / arguments.runs as f64;
    if arguments.json {
        println!("{}", json!({ "runs": arguments.runs, "seconds": seconds, "ms_per_run": each, "claim_to_end_ms": held }));
    } else {
        println!("{} runs in {seconds:.2} s: {each:.2} ms per run; claim to end: {held:.2} ms on average", arguments.runs);
    }
    Ok(())
}

/// The latest run with a dataset snapshot.
async fn latest_run(conn: &mut PgConnection) -> Result<Uuid> {
    let sql = "SELECT id FROM training_runs WHERE dataset_id IS NOT NULL ORDER BY created_at DESC LIMIT 1";
    let latest: Option<Uuid> = sqlx::query_scalar(sql).fetch_optional(conn).await.context("cannot read the runs")?;
    latest.context("no run has a dataset snapshot: import documents and create a run first")
}

/// Creates a run.
async fn create(client: &Client, arguments: &Arguments, parent: Uuid) -> Result<Uuid> {
    let request = client.post(format!("{}/{parent}/ingest", runs_url(arguments))).bearer_auth(&arguments.api_key);
    let run: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(run["id"].as_str().context("the run in the API response has no id")?.parse()?)
}

fn runs_url(arguments: &Arguments) -> String {
    format!("{}/v1/training-runs", arguments.url.trim_end_matches('/'))
}

/// Creates a run and waits until it has ended.
async fn execute_run(client: &Client, arguments: &Arguments, parent: Uuid) -> Result<Uuid> {
    let (base, api_key) = (runs_url(arguments), &arguments.api_key);
    let id = create(client, arguments, parent).await?;
    // the stream ends with the run
    client.get(format!("{base}/{id}/events")).bearer_auth(api_key).send().await?.error_for_status()?.bytes().await?;
    let run: Value = client.get(format!("{base}/{id}")).bearer_auth(api_key).send().await?.error_for_status()?.json().await?;
    if run["status"] != "succeeded" {
        bail!("run {id} is {}: {}", run["status"], run["error_text"]);
    }
    Ok(id)
}

/// Milliseconds from the time in a column of the run to the start of the first attempt.
async fn latencies(conn: &mut PgConnection, column: &'static str, ids: &[Uuid]) -> Result<Vec<f64>> {
    let sql = format!(
        "SELECT (extract(epoch FROM a.started_at - r.{column}) * 1000)::float8
         FROM training_runs r JOIN attempts a ON a.run_id = r.id AND a.number = 1 WHERE r.id = ANY($1)"
    );
    let latencies: Vec<Option<f64>> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(ids).fetch_all(conn).await?;
    ensure!(latencies.len() == ids.len(), "{} of {} runs have a first attempt", latencies.len(), ids.len());
    latencies.into_iter().collect::<Option<Vec<f64>>>().with_context(|| format!("a run has no {column}"))
}

/// The nearest-rank percentile of sorted latencies.
fn percentile(latencies: &[f64], fraction: f64) -> f64 {
    latencies[((latencies.len() as f64 * fraction).ceil() as usize).clamp(1, latencies.len()) - 1]
}

fn percentiles(latencies: &mut [f64]) -> Value {
    latencies.sort_by(f64::total_cmp);
    let at = |fraction| percentile(latencies, fraction);
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}

fn report(what: &str, latencies: &mut [f64]) {
    latencies.sort_by(f64::total_cmp);
    let at = |fraction| percentile(latencies, fraction);
    let early = latencies.iter().filter(|latency| **latency < 0.0).count();
    println!("{what}: median {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.9), at(0.99), at(1.0));
    if early > 0 {
        println!("  {early} of {} started before their wake-up, on a worker that was not idle yet", latencies.len());
    }
}
