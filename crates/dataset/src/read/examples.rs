//! Documents and reviews, joined: both come by document.

use crate::error::DatasetError;
use crate::example::Example;
use crate::read::chunk::Receiver;
use crate::read::documents::{Document, Placement};
use crate::read::reviews::Reviews;

/// What became of one document of the selection.
#[derive(Debug)]
pub(crate) enum Row {
    Example(Example),
    /// Why it is none: the reason of an exclusion, `no_split` or `no_accepted_value`.
    Left(String),
}

/// The rows of a selection in the order of the bytes of the ids. To be read on a thread that may wait.
pub(crate) struct Examples {
    documents: Receiver<Document>,
    reviews: Receiver<Reviews>,
    /// Read, but of a later document.
    ahead: Option<Reviews>,
    complete: bool,
}

impl Examples {
    pub(super) const fn new(documents: Receiver<Document>, reviews: Receiver<Reviews>) -> Self {
        Self { documents, reviews, ahead: None, complete: false }
    }

    fn row(&mut self, document: Document) -> Result<Row, DatasetError> {
        let (split, group) = match document.placement {
            Placement::None => return Ok(Row::Left("no_split".to_owned())),
            Placement::Excluded(reason) => return Ok(Row::Left(reason)),
            Placement::In { split, group } => (split, group),
        };
        let fields = self.reviews_of(document.id)?.map_or_else(Vec::new, |reviews| reviews.fields);
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
            _ => Ok(Row::Left("no_accepted_value".to_owned())),
        }
    }

    /// Reads on to the document; what was said about those before it, which are not part of the selection, is passed by.
    fn reviews_of(&mut self, document: uuid::Uuid) -> Result<Option<Reviews>, DatasetError> {
        loop {
            let next = match self.ahead.take() {
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
                    self.ahead = Some(next);
                    return Ok(None);
                }
            }
        }
    }
}

impl Iterator for Examples {
    type Item = Result<Row, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.complete {
            return None;
        }
        let row = match self.documents.next() {
            Some(document) => Some(document.and_then(|document| self.row(document))),
            None => {
                // the reviews behind the last document are read as well: an error there must not go unheard
                self.complete = true;
                self.reviews.find_map(Result::err).map(Err)
            }
        };
        if matches!(row, Some(Err(_))) {
            self.complete = true;
        }
        row
    }
}
