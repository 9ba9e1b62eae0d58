//! The kind `field-classifier`: one head per field with attention over the chunks of a document, on vectors of a frozen encoder.

mod documents;
pub(crate) mod evaluate;
mod fit;
mod head_training;
pub(crate) mod train;
pub(crate) mod trainable;
