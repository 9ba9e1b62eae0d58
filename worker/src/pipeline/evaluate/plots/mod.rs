//! Plots of the model card, as scalable SVG images without scripts, fonts or other external resources.
//!
//! Drawing is pure: data in, text out. A plot without data does not exist, instead of being empty.

mod canvas;
pub(crate) mod confusion;
pub(crate) mod coverage;
pub(crate) mod difference;
pub(crate) mod label;
pub(crate) mod learning_curve;
pub(crate) mod loss;
mod palette;
pub(crate) mod plot;
pub(crate) mod reliability;
#[cfg(test)]
mod tests;
