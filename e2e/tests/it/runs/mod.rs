//! The life of a training run: events, errors, interruption, cancellation, resumption.

mod errors;
mod event_stream;
mod interruption;
mod lookups;
mod phases;
mod repeated_requests;
mod resume;
mod slices;
mod sweep;
mod waiting;
