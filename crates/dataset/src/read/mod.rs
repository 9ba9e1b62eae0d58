//! Reads a selection: two streams, both by document, joined here and not by the server.
//!
//! The server walks two indexes in the order of documents and sorts nothing. Of documents it sends every version up to the position,
//! and here the last one wins; of reviews it sends the latest of each field. So a text crosses the wire once, however many fields
//! were reviewed, memory holds a few hundred rows, and a build of everything costs hardly more than copying the two tables
//! (docs/BENCHMARKS.md).

mod chunk;
mod documents;
mod examples;
mod reviews;

pub(crate) use examples::{Examples, Row};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::task::JoinSet;

use crate::error::DatasetError;
use crate::selection::Selection;

/// The tasks that read. Dropped, they end, and their connections with them.
pub(crate) struct Readers(JoinSet<()>);

/// Starts to read; `documents` is a connection that is open already, the second one is opened here.
pub(crate) async fn start(
    documents: PgConnection,
    database: &PgConnectOptions,
    selection: &Selection,
) -> Result<(Readers, Examples), DatasetError> {
    let reviews = database.connect().await?;
    let mut tasks = JoinSet::new();
    let (to_documents, of_documents) = chunk::channel();
    let (to_reviews, of_reviews) = chunk::channel();
    tasks.spawn(documents::read(documents, selection.clone(), to_documents));
    tasks.spawn(reviews::read(reviews, selection.clone(), to_reviews));
    Ok((Readers(tasks), Examples::new(of_documents, of_reviews)))
}

impl Readers {
    /// Waits until both have ended; resumes a panic.
    pub(crate) async fn finish(mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}
