//! Comparisons of a challenger with the champion on the inputs of predictions.

pub(crate) mod prune;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod target;

/// The alias that is compared with the champion.
pub const CHALLENGER: &str = "challenger";
