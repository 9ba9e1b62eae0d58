//! Kinds of model. A new kind is a folder here and a line in `dispatch.rs`.

pub(crate) mod auto;
pub(crate) mod dispatch;
pub(crate) mod field_classifier;
pub(crate) mod linear;
pub(crate) mod sentence_transformer;
pub(crate) mod trainable;
pub(crate) mod trained_fields;
