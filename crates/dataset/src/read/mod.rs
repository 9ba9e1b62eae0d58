//! Reads a selection as two streams, ordered by document id and merge-joined here rather than on the server.
//!
//! The server walks two indexes in document order and sorts nothing. It sends every version of a document up to the position, and the
//! latest is kept here; of the reviews it sends only the latest of each field. Document texts are therefore not repeated for every
//! reviewed field, memory holds a few hundred rows, and a full build costs little more than copying the two tables (docs/BENCHMARKS.md).

mod channel;
mod documents;
mod example;
mod examples;
mod extractions;
mod predictions;
mod reviews;
mod slices;

use aprendiz_db::Session;
#[cfg(test)]
pub(crate) use example::fixtures;
pub(crate) use example::{Example, ReviewedField};
pub(crate) use examples::{Examples, Row};
pub use extractions::{StoredPrediction, stored_predictions};
pub use predictions::{DifferentPrediction, ReviewedPredictions, different_predictions, reviewed_predictions};
pub use slices::{ReviewSlices, SlicedPredictions, review_slices, sliced_predictions};
use sqlx::PgConnection;
use tokio::task::JoinSet;

use crate::error::DatasetError;
use crate::selection::Selection;

/// The reader tasks. Dropping it aborts the tasks and closes their connections.
pub(crate) struct Readers(JoinSet<()>);

/// Starts the readers on two connections: `conn` reads the documents, a new one reads the reviews.
pub(crate) async fn start_readers(
    conn: PgConnection,
    database: &Session,
    selection: &Selection,
) -> Result<(Readers, Examples), DatasetError> {
    let reviews_conn = database.connect().await?;
    let mut tasks = JoinSet::new();
    let (document_sender, documents) = channel::channel();
    let (review_sender, reviews) = channel::channel();
    tasks.spawn(documents::read_documents(conn, selection.clone(), document_sender));
    tasks.spawn(reviews::read_reviews(reviews_conn, selection.clone(), review_sender));
    Ok((Readers(tasks), Examples::new(documents, reviews)))
}

impl Readers {
    /// Waits for both tasks, and resumes the panic of a task.
    pub(crate) async fn finish(mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended {
                aprendiz_db::resume_panic(error);
            }
        }
    }
}
