//! Result of the check of one component.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

/// State of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum HealthState {
    /// Works.
    Ok,
    /// Does not work, but the API works without it: runs, imports or clean-up wait.
    Degraded,
    /// Does not work.
    Failed,
}

/// Result of the check of one component.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Check {
    /// Name of the component.
    pub(super) name: &'static str,
    /// State of the component.
    pub(super) state: HealthState,
    /// Explanation, unless the state is `ok`.
    pub(super) detail: Option<String>,
}

impl Check {
    pub(super) const fn ok(name: &'static str) -> Self {
        Self { name, state: HealthState::Ok, detail: None }
    }

    pub(super) const fn degraded(name: &'static str, detail: String) -> Self {
        Self { name, state: HealthState::Degraded, detail: Some(detail) }
    }
}

/// Checks, and when they were made.
#[derive(Debug, Clone)]
pub(in crate::api) struct TimedChecks {
    pub(super) at: Instant,
    pub(super) checks: Vec<Check>,
}
