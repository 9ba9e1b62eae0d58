//! Builds a snapshot of everything in a database into a directory and says how long it took: `snapshot DIR [FIELD...]`.
//!
//! Reads `DATABASE_URL`. For looking at time and memory (`/usr/bin/time -v`) without a worker.

use std::path::PathBuf;
use std::time::Instant;

use dataset::{DatasetError, Selection, SelectionRequest, build};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), DatasetError> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().expect("usage: snapshot DIR [FIELD...]").into();
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names the database");
    let mut conn = PgConnection::connect(&url).await?;
    let position: i64 = sqlx::query_scalar("SELECT last_value FROM positions").fetch_one(&mut conn).await?;
    let request = SelectionRequest { fields: arguments.collect(), min_support: 2, position, ..SelectionRequest::default() };
    let started = Instant::now();
    let selection = Selection::resolve(&mut conn, request).await?;
    let snapshot = build(&mut conn, &selection, &dir, &mut |_| {}, &CancellationToken::new()).await?;
    println!("{} examples, {} s, canonical hash {}", snapshot.examples, started.elapsed().as_secs_f64(), snapshot.canonical_hash);
    println!("{}", snapshot.counts);
    conn.close().await?;
    Ok(())
}
