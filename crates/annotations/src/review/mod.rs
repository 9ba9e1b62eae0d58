//! Writes what a reviewer says about one field of one document, as an event; the current state follows in the same transaction.
//!
//! A client says the value; how it relates to the prediction, the review status, follows from both. Not here: reviews that come in
//! a file (`import`), and reading (`documents`, `history`).

mod checks;
mod error;
mod record;
mod request;

pub use error::ReviewError;
pub use record::{Reviewed, review, state_of};
pub use request::{Expected, NewReview, Said, SpanGiven};
