//! Named queues: weights and limits of running runs.

pub(crate) mod capacity;
pub(crate) mod list;
pub(crate) mod set;
