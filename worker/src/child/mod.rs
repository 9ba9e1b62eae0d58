//! The training process and its supervision. The protocol between them is defined by `training`.

pub(crate) mod entry;
mod output;
pub(crate) mod supervisor;
