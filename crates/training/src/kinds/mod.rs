//! Kinds of model. A new kind is a folder here, a variant in `kind.rs` and a line in `dispatch.rs`.

pub(crate) mod dispatch;
pub(crate) mod kind;
pub(crate) mod linear;
pub(crate) mod sentence_transformer;
pub(crate) mod trainable;
