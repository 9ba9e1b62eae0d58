//! Parameters of the kind `sweep`: a search over the parameters of another kind.

mod axis;
mod halving;
mod params;
mod random;
mod search;
mod trials;

pub use axis::Axis;
pub use halving::Halving;
pub use params::SweepParams;
pub use search::Search;
pub use trials::Trial;

#[cfg(test)]
mod tests;
