//! Merge join of documents and reviews, both ordered by document id.

use crate::error::DatasetError;
use crate::read::channel::Receiver;
use crate::read::documents::{Document, SplitAssignment};
use crate::read::example::Example;
use crate::read::reviews::Reviews;

/// A document of the selection: an example, or excluded.
#[derive(Debug)]
pub(crate) enum Row {
    Example(Example),
    /// The reason of the exclusion, `no_split` or `no_accepted_value`.
    Excluded(String),
}

/// Iterates over the rows of a selection, ordered by the bytes of the document ids. Blocks, so it must be used on a blocking thread.
pub(crate) struct Examples {
    documents: Receiver<Document>,
    reviews: Receiver<Reviews>,
    /// Reviews already read that belong to a later document.
    pending: Option<Reviews>,
    finished: bool,
}

impl Examples {
    pub(super) const fn new(documents: Receiver<Document>, reviews: Receiver<Reviews>) -> Self {
        Self { documents, reviews, pending: None, finished: false }
    }

    fn join(&mut self, document: Document) -> Result<Row, DatasetError> {
        let (split, group) = match document.assignment {
            SplitAssignment::Unassigned => return Ok(Row::Excluded("no_split".to_owned())),
            SplitAssignment::Excluded(reason) => return Ok(Row::Excluded(reason)),
            SplitAssignment::Assigned { split, group } => (split, group),
        };
        let fields = self.next_reviews(document.id)?.map_or_else(Vec::new, |reviews| reviews.fields);
        match document.text {
            Some(text) if !fields.is_empty() => Ok(Row::Example(Example {
                document_id: document.id,
                split,
                group,
                source: document.source,
                project: document.project,
                task_id: document.task_id,
                file_name: document.file_name,
                metadata: document.metadata,
                text,
                fields,
            })),
            _ => Ok(Row::Excluded("no_accepted_value".to_owned())),
        }
    }

    /// Advances to the reviews of `document`, and skips those of earlier documents, which are not part of the selection.
    fn next_reviews(&mut self, document: uuid::Uuid) -> Result<Option<Reviews>, DatasetError> {
        loop {
            let next = match self.pending.take() {
                Some(next) => next,
                None => match self.reviews.next().transpose()? {
                    Some(next) => next,
                    None => return Ok(None),
                },
            };
            match next.document_id.cmp(&document) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Ok(Some(next)),
                std::cmp::Ordering::Greater => {
                    self.pending = Some(next);
                    return Ok(None);
                }
            }
        }
    }
}

impl Iterator for Examples {
    type Item = Result<Row, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let row = match self.documents.next() {
            Some(document) => Some(document.and_then(|document| self.join(document))),
            None => {
                // drain the remaining reviews, so that an error of their reader is reported
                self.finished = true;
                self.reviews.find_map(Result::err).map(Err)
            }
        };
        if matches!(row, Some(Err(_))) {
            self.finished = true;
        }
        row
    }
}
