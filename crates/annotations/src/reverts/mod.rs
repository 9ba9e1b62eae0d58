//! Reverts imports: withdraws what no other import contains, in batches of documents, without changing any earlier position.
//!
//! What an import wrote is found by its range of positions, and what it repeated by its rows in `import_documents`. An event, a text or a
//! document stays as long as something else that is not reverted says it ([decision 30](docs/decisions/0030-reverted-imports.md)).

/// SQL condition: a reverted import wrote the row at this position.
macro_rules! in_reverted_import {
    ($position:literal) => {
        concat!(
            "EXISTS (SELECT FROM import_reverts v JOIN imports i ON i.id = v.import_id WHERE ",
            $position,
            " BETWEEN i.first_position AND i.last_position)"
        )
    };
}

/// SQL condition: the import with this id is reverted.
macro_rules! is_reverted {
    ($import:literal) => {
        concat!("EXISTS (SELECT FROM import_reverts v WHERE v.import_id = ", $import, ")")
    };
}

mod batch;
mod begin;
mod documents;
mod error;
mod events;
mod near_duplicates;
mod predictions;
mod read;
mod texts;
mod types;

pub use batch::{revert_batch, revert_batch_if_free, try_revert};
pub use begin::begin_revert;
pub use error::RevertError;
pub use read::{find_revert, find_unfinished_revert};
pub use types::{ImportRevert, RevertEffect};
