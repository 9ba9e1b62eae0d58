//! Sweeps: a run that creates trials, waits for them without a slot, and publishes the best.

pub(crate) mod advance;
pub(crate) mod child;
pub(crate) mod decision;
pub(crate) mod family;
pub(crate) mod wakeup;
