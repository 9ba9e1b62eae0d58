//! Imports a file and prints its report and its pace: `cargo run -p annotations --example import -- FILE` with `DATABASE_URL` set.

use std::fs::File;
use std::time::Instant;

use annotations::import::{ImportOptions, label_studio};
use sqlx::{Connection, PgConnection};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give the name of an export")?;
    let mut database = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    let started = Instant::now();
    let mut storing = None;
    let report = label_studio(&mut database, File::open(path)?, &ImportOptions::new("example"), |progress| {
        if progress.stage == annotations::import::Stage::Storing {
            storing = Some(started.elapsed());
        }
    })
    .await?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string_pretty(&report)?);
    let reading = storing.map_or(seconds, |time| time.as_secs_f64());
    eprintln!("{seconds:.2} s, of which reading {reading:.2} s and storing {:.2} s", seconds - reading);
    Ok(())
}
