//! Imports a file and prints its report, and a line of JSON with measurements on stderr:
//! `cargo run -p aprendiz-annotations --example import -- FILE` with `DATABASE_URL` set.

use std::fs::File;
use std::time::{Duration, Instant};

use aprendiz_annotations::import::{ImportOptions, Stage, import_label_studio};
use serde_json::json;
use sqlx::{Connection, PgConnection};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: import FILE")?;
    let mut database = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    let started = Instant::now();
    let mut storing = None;
    let report = import_label_studio(&mut database, File::open(path)?, &ImportOptions::new("example"), |progress| {
        if progress.stage == Stage::Storing {
            storing = Some(started.elapsed());
        }
    })
    .await?;
    let seconds = started.elapsed();
    println!("{}", serde_json::to_string_pretty(&report)?);
    let measurements = json!({
        "bytes": report.bytes,
        "seconds": seconds.as_secs_f64(),
        "reading_seconds": storing.unwrap_or(seconds).as_secs_f64(),
        "cpu_seconds": cpu_time().map(|time| time.as_secs_f64()),
        "peak_bytes": peak_memory(),
    });
    eprintln!("{measurements}");
    Ok(())
}

/// CPU time of this process, which Linux reports in hundredths of a second.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // after the process name, which may contain spaces
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    Some(Duration::from_millis(ticks * 10))
}

/// Peak resident memory of this process.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
