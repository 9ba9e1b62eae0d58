//! Reverts the newest import of a database, and prints a line of JSON with measurements on stderr:
//! `cargo run -p aprendiz-annotations --example revert` with `DATABASE_URL` set.
//!
//! Meanwhile a second connection takes the lock that every review takes, again and again: its longest wait is what a reviewer would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aprendiz_annotations::reverts::{begin_revert, find_revert, revert_batch};
use aprendiz_db::AdvisoryLock;
use serde_json::json;
use sqlx::{Connection, PgConnection};

/// Pause between two simulated reviews.
const REVIEW_INTERVAL: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let mut database = PgConnection::connect(&url).await?;
    let import = sqlx::query_scalar("SELECT id FROM imports ORDER BY started_at DESC LIMIT 1").fetch_one(&mut database).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let reviews = tokio::spawn(review(PgConnection::connect(&url).await?, Arc::clone(&stop)));
    let started = Instant::now();
    begin_revert(&mut database, import, "example", None).await?;
    let begin_seconds = started.elapsed().as_secs_f64();
    let mut batches: Vec<f64> = Vec::new();
    loop {
        let batch = Instant::now();
        if !revert_batch(&mut database, import).await? {
            break;
        }
        batches.push(batch.elapsed().as_secs_f64());
    }
    let seconds = started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let (reviews, longest_wait) = reviews.await??;

    let revert = find_revert(&mut database, import).await?.ok_or("the import is not reverted")?;
    println!("{}", serde_json::to_string_pretty(&revert)?);
    let tenth = (batches.len() / 10).max(1);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
    let measurements = json!({
        "documents": revert.effect.documents_withdrawn,
        "seconds": seconds,
        "begin_seconds": begin_seconds,
        "batches": batches.len(),
        "longest_batch_seconds": batches.iter().copied().fold(0.0, f64::max),
        "first_batches_mean_seconds": mean(&batches[..tenth]),
        "last_batches_mean_seconds": mean(&batches[batches.len() - tenth..]),
        "reviews": reviews,
        "longest_review_wait_seconds": longest_wait.as_secs_f64(),
        "peak_bytes": peak_memory(),
    });
    eprintln!("{measurements}");
    Ok(())
}

/// Takes the lock of reviews until it is stopped. Returns how often, and the longest wait.
async fn review(mut database: PgConnection, stop: Arc<AtomicBool>) -> Result<(u64, Duration), sqlx::Error> {
    let (mut reviews, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let mut transaction = database.begin().await?;
        AdvisoryLock::Positions.lock(&mut transaction).await?;
        longest = longest.max(started.elapsed());
        transaction.commit().await?;
        reviews += 1;
        tokio::time::sleep(REVIEW_INTERVAL).await;
    }
    Ok((reviews, longest))
}

/// Peak resident memory of this process.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
