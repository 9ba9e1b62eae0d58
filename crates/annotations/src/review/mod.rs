//! Writes what a reviewer says about one field of one document, as an event; the current state follows in the same transaction.
//!
//! A client says the value; how it relates to the prediction, the review status, follows from both. Not here: reviews that come in
//! a file (`import`), and reading (`documents`, `history`).

mod accept;
mod checks;
mod error;
mod lease;
mod record;
mod request;
mod waiting;

pub use accept::{Acceptance, Accepted, MOST_ACCEPTED, accept_predictions};
pub use error::ReviewError;
pub use lease::{LONGEST_LEASE, ReviewLease, acquire_lease, lease_of, release_lease};
pub use record::{Reviewed, review, state_of};
pub use request::{Expected, NewReview, Said, SpanGiven};
pub use waiting::{WaitingField, WaitingFilter, WaitingOrder, WaitingPlace, waiting};
