//! Reviews of single fields: validates a reviewer's decision, records it as an event, and updates the current state.
//!
//! A client sends the value; the review status follows from the value and the prediction. `import` records reviews from files;
//! `documents` and `history` read them.

mod accept;
mod acceptance;
mod definition;
mod duplicate;
mod error;
mod lease;
mod lock;
mod new_review;
mod record;
mod review_lease;
mod spans;
mod state;
mod validate;
mod waiting;

pub use accept::accept_predictions;
pub use acceptance::{Acceptance, AcceptedPredictions, MAX_ACCEPTED};
pub use error::ReviewError;
pub use lease::{MAX_LEASE_DURATION, acquire_lease, current_lease, release_lease};
pub use new_review::{Decision, Expected, NewReview, SpanInput};
pub use record::{RecordedReview, record_review};
pub use review_lease::ReviewLease;
pub use state::current_state;
pub use waiting::{WaitingCursor, WaitingField, WaitingFilter, WaitingOrder, list_waiting};
