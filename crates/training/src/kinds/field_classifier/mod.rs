//! The kind `field-classifier`: one head per field with attention over the chunks of a document, on vectors of a frozen encoder and, for
//! long texts, on their words.

mod adam;
pub(in crate::kinds) mod documents;
pub(crate) mod evaluate;
mod fit;
mod head_training;
mod sparse_table;
pub(crate) mod train;
pub(crate) mod trainable;
mod vocabulary;
