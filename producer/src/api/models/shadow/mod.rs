//! Compares a challenger with the champion on the inputs of predictions, off the path of the requests.

pub(crate) mod challenger;
pub(crate) mod queue;
pub(super) mod route;
