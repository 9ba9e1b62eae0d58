//! Checkpoints: what a training has computed so far, written to disk and resumed from.

pub(crate) mod file;
pub(crate) mod folder;
pub(crate) mod identity;
pub(crate) mod state_dict;
pub(crate) mod training_state;
