//! Aliases: movable names of versions, with their history.

pub(crate) mod alias;
pub(crate) mod automatic;
pub(crate) mod change;
pub(crate) mod event;
pub(crate) mod request;

/// The alias that answers predictions.
pub const CHAMPION: &str = "champion";
