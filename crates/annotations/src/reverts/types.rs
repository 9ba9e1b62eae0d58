//! Types of reverts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a revert withdraws, or would withdraw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevertEffect {
    /// Documents that no other import contains. They are in no selection any more.
    pub documents_withdrawn: i64,
    /// Documents that have their earlier text again.
    pub texts_restored: i64,
    /// Documents that have their earlier file name and metadata again.
    pub details_restored: i64,
    /// Review events withdrawn.
    pub events_withdrawn: i64,
    /// Predictions withdrawn.
    pub predictions_withdrawn: i64,
}

impl RevertEffect {
    /// Adds the effect of a batch.
    pub fn add(&mut self, other: Self) {
        self.documents_withdrawn += other.documents_withdrawn;
        self.texts_restored += other.texts_restored;
        self.details_restored += other.details_restored;
        self.events_withdrawn += other.events_withdrawn;
        self.predictions_withdrawn += other.predictions_withdrawn;
    }
}

/// The revert of an import, together with the retries of its quarantined tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportRevert {
    /// The import.
    pub import_id: Uuid,
    /// Imports that retried its quarantined tasks, and are reverted with it.
    pub retries: Vec<Uuid>,
    /// Who reverted it.
    pub actor: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// What was withdrawn, or would be.
    #[serde(flatten)]
    pub effect: RevertEffect,
    /// Documents that are not processed yet.
    pub documents_left: i64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; missing while documents are left, with which a server goes on.
    pub finished_at: Option<DateTime<Utc>>,
}
