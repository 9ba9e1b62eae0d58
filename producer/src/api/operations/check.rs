//! Result of the check of one component.

use serde::Serialize;
use utoipa::ToSchema;

/// State of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum HealthState {
    /// Works.
    Ok,
    /// Does not work, but the API works without it: runs, imports or clean-up wait.
    Degraded,
    /// Does not work.
    Failed,
}

/// Result of the check of one component.
#[derive(Debug, Serialize, ToSchema)]
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
