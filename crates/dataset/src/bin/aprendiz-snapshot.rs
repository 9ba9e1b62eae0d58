//! Builds a snapshot of a whole database into a directory and prints the elapsed time.
//!
//! Usage: `aprendiz-snapshot DIR [--parquet-only] [--pairs] [FIELD...]`, with `DATABASE_URL` set. Measures time and memory of a build
//! without a worker; used by `deploy/bench/dataset.sh`.

use std::path::PathBuf;
use std::time::Instant;

use aprendiz_dataset::{DatasetError, Format, PairsRequest, Selection, SelectionRequest, build};
use aprendiz_db::Session;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), DatasetError> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name| arguments.iter().position(|argument| argument == name).map(|index| arguments.remove(index)).is_some();
    let formats = if flag("--parquet-only") { &[Format::Parquet][..] } else { &Format::ALL[..] };
    let pairs = flag("--pairs").then(PairsRequest::default);
    let mut arguments = arguments.into_iter();
    let dir: PathBuf = arguments.next().expect("usage: aprendiz-snapshot DIR [--parquet-only] [--pairs] [FIELD...]").into();
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL must be set");
    let database = Session::new(url.parse()?);
    let mut conn = database.connect().await?;
    let position: i64 = sqlx::query_scalar("SELECT last_value FROM positions").fetch_one(&mut conn).await?;
    let request = SelectionRequest { fields: arguments.collect(), min_support: 2, pairs, position, ..SelectionRequest::default() };
    let started = Instant::now();
    let selection = Selection::resolve(&mut conn, request).await?;
    let snapshot = build(&database, &selection, formats, &dir, &mut |_| {}, &CancellationToken::new()).await?;
    println!("{} examples, {:.3} s, canonical hash {}", snapshot.examples, started.elapsed().as_secs_f64(), snapshot.canonical_hash);
    println!("{}", snapshot.counts["splits"]);
    Ok(())
}
