//! `aprendiz-announce-latency`: how long a run waits on an idle worker, measured on a running installation.
//!
//! It makes dataset-only runs on the data of a run that has its snapshot, one after the other, so that each finds an idle
//! worker. Times are those of the database clock: `announced_at` is written just before the message goes to Redis, so the
//! first figure is an upper bound of announcement to start; the second is the whole wait since the request was stored.
//!
//! With `--fill` it only creates the runs, for workers that are started afterwards; with `--drain` it waits until the newest runs are
//! finished and tells how long that took from the first start to the last end.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// After a run its worker looks once more for work before it waits for the bell: only then it is idle.
const UNTIL_IDLE: Duration = Duration::from_millis(50);

/// How often `--drain` looks whether all is done.
const LOOK: Duration = Duration::from_millis(50);

/// Measures how long runs wait on an idle worker
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Runs to measure
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Runs before the first that counts
    #[arg(long, default_value_t = 10)]
    warm_up: usize,
    /// Create the runs and go: no worker is needed
    #[arg(long, conflicts_with = "drain")]
    fill: bool,
    /// Wait until the newest runs are finished
    #[arg(long)]
    drain: bool,
    /// One line of JSON instead of sentences
    #[arg(long)]
    json: bool,
    /// The run on whose data they are made; default: the newest that has a dataset snapshot
    #[arg(long, value_name = "ID")]
    training_run: Option<Uuid>,
    /// Address of the API
    #[arg(long, env = "APRENDIZ_URL")]
    url: String,
    /// API key of an operator
    #[arg(long, env = "APRENDIZ_API_KEY", hide_env_values = true)]
    api_key: String,
    /// Where the installation keeps its runs
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    ensure!(arguments.runs > 0, "--runs is 0: there is nothing to measure");
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut conn = PgConnection::connect(&arguments.database_url).await.context("cannot reach the database: check DATABASE_URL")?;
    if arguments.drain {
        return drain(&mut conn, &arguments).await;
    }
    let parent = match arguments.training_run {
        Some(id) => id,
        None => newest(&mut conn).await?,
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
        tokio::time::sleep(UNTIL_IDLE).await;
        let id = ingest(&client, &arguments, parent).await?;
        if number >= arguments.warm_up {
            ids.push(id);
        }
    }
    let mut announced = waits(&mut conn, "announced_at", &ids).await?;
    let mut created = waits(&mut conn, "created_at", &ids).await?;
    if arguments.json {
        println!(
            "{}",
            json!({ "runs": ids.len(), "announce_to_start_ms": figures(&mut announced), "create_to_start_ms": figures(&mut created) })
        );
        return Ok(());
    }
    println!("{} dataset-only runs, one after the other", ids.len());
    report("announcement to start", &mut announced);
    report("creation to start", &mut created);
    Ok(())
}

/// Waits for the newest runs and tells what one of them took, all workers together.
async fn drain(conn: &mut PgConnection, arguments: &Arguments) -> Result<()> {
    let unfinished = "SELECT count(*) FROM training_runs WHERE finished_at IS NULL";
    while sqlx::query_scalar::<_, i64>(unfinished).fetch_one(&mut *conn).await? > 0 {
        tokio::time::sleep(LOOK).await;
    }
    let newest = "
        SELECT count(*) FILTER (WHERE r.status = 'succeeded'),
            extract(epoch FROM max(r.finished_at) - min(a.started_at))::float8,
            (avg(extract(epoch FROM r.finished_at - a.started_at)) * 1000)::float8
        FROM (SELECT * FROM training_runs ORDER BY created_at DESC LIMIT $1) r
        JOIN attempts a ON a.run_id = r.id AND a.number = 1";
    let (succeeded, seconds, held): (i64, Option<f64>, Option<f64>) =
        sqlx::query_as(newest).bind(i64::try_from(arguments.runs)?).fetch_one(conn).await?;
    ensure!(usize::try_from(succeeded) == Ok(arguments.runs), "{succeeded} of {} runs succeeded", arguments.runs);
    let (seconds, held) = (seconds.context("no run")?, held.context("no run")?);
    let each = seconds * 1000.0 / arguments.runs as f64;
    if arguments.json {
        println!("{}", json!({ "runs": arguments.runs, "seconds": seconds, "ms_per_run": each, "claim_to_end_ms": held }));
    } else {
        println!("{} runs in {seconds:.2} s: {each:.2} ms for each; claim to end {held:.2} ms on average", arguments.runs);
    }
    Ok(())
}

async fn newest(conn: &mut PgConnection) -> Result<Uuid> {
    let sql = "SELECT id FROM training_runs WHERE dataset_id IS NOT NULL ORDER BY created_at DESC LIMIT 1";
    let newest: Option<Uuid> = sqlx::query_scalar(sql).fetch_optional(conn).await.context("cannot read the runs")?;
    newest.context("no run has a dataset snapshot yet: import documents and create a run first")
}

/// Creates a run.
async fn create(client: &Client, arguments: &Arguments, parent: Uuid) -> Result<Uuid> {
    let request = client.post(format!("{}/{parent}/ingest", runs_url(arguments))).bearer_auth(&arguments.api_key);
    let run: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(run["id"].as_str().context("the API answered a run without id")?.parse()?)
}

fn runs_url(arguments: &Arguments) -> String {
    format!("{}/v1/training-runs", arguments.url.trim_end_matches('/'))
}

/// Creates a run and follows it to its end.
async fn ingest(client: &Client, arguments: &Arguments, parent: Uuid) -> Result<Uuid> {
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

/// Milliseconds from the time in that column to the start of the first attempt.
async fn waits(conn: &mut PgConnection, column: &'static str, ids: &[Uuid]) -> Result<Vec<f64>> {
    let sql = format!(
        "SELECT (extract(epoch FROM a.started_at - r.{column}) * 1000)::float8
         FROM training_runs r JOIN attempts a ON a.run_id = r.id AND a.number = 1 WHERE r.id = ANY($1)"
    );
    let waits: Vec<Option<f64>> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(ids).fetch_all(conn).await?;
    ensure!(waits.len() == ids.len(), "{} of {} runs have a first attempt", waits.len(), ids.len());
    waits.into_iter().collect::<Option<Vec<f64>>>().with_context(|| format!("a run has no {column}"))
}

/// The value below which that share of the sorted waits lies.
fn quantile(waits: &[f64], share: f64) -> f64 {
    waits[((waits.len() as f64 * share).ceil() as usize).clamp(1, waits.len()) - 1]
}

fn figures(waits: &mut [f64]) -> Value {
    waits.sort_by(f64::total_cmp);
    let at = |share| quantile(waits, share);
    json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
}

fn report(what: &str, waits: &mut [f64]) {
    waits.sort_by(f64::total_cmp);
    let at = |share| quantile(waits, share);
    let early = waits.iter().filter(|wait| **wait < 0.0).count();
    println!("{what}: median {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, greatest {:.2} ms", at(0.5), at(0.9), at(0.99), at(1.0));
    if early > 0 {
        println!("  {early} of {} were found before they were announced, by a worker that was not idle yet", waits.len());
    }
}
