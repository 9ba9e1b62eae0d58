//! Statistics: of the installation for dashboards and alerts, of the queue for operators.

pub(crate) mod duration;
pub(crate) mod installation_stats;
pub(crate) mod queue_counts;
pub(crate) mod queue_stats;
