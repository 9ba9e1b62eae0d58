//! What taking in a review file did.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::import::report::{NewField, Quarantined, StatusCounts};

/// What taking in a review file did. One that changed nothing has a report too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegacyCsvReport {
    /// Id of the row in `imports`.
    pub import_id: Uuid,
    /// Bytes of the file.
    pub bytes: u64,
    /// What stands between two columns.
    pub delimiter: char,
    /// Rows after the one that names the columns.
    pub rows: u64,
    /// Rows whose document was there.
    pub rows_matched: u64,
    /// Rows about a document that an earlier row is about as well; where both say something, the later one counts.
    pub rows_repeated: u64,
    /// Documents that were not there before.
    pub documents_created: u64,
    /// Answers that were not there before.
    pub events_created: u64,
    /// Predictions that were not there before, or were others.
    pub predictions_stored: u64,
    /// Rows not taken in.
    pub quarantined: u64,
    /// The first of them; `task_index` is the number of the row, from 1.
    pub quarantined_rows: Vec<Quarantined>,
    /// Columns of the file by the field that they became.
    pub columns: BTreeMap<String, String>,
    /// Current state of the documents of this file, by field.
    pub fields: BTreeMap<String, StatusCounts>,
    /// Fields that were not known before, with what was guessed about them.
    pub new_fields: Vec<NewField>,
    /// Statuses that mean nothing to us, with how often they stand there; the values decided.
    pub unknown_statuses: BTreeMap<String, u64>,
    /// What does not fit, but did no harm.
    pub warnings: Vec<String>,
    /// When reading began.
    pub started_at: DateTime<Utc>,
}
