//! Report of importing a legacy review file.

use std::collections::BTreeMap;

use aprendiz_annotation_types::QuarantinedTask;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::import::report::{NewField, StatusCounts};

/// Report of importing a legacy review file, also of one that changed nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegacyCsvReport {
    /// Id of the import.
    pub import_id: Uuid,
    /// Bytes of the file.
    pub bytes: u64,
    /// Column delimiter.
    pub delimiter: char,
    /// Rows after the header.
    pub rows: u64,
    /// Rows whose document existed.
    pub rows_matched: u64,
    /// Rows about the same document as an earlier row. If both have a value, the later row counts.
    pub rows_repeated: u64,
    /// Documents created.
    pub documents_created: u64,
    /// Review events created, one per reviewed field.
    pub events_created: u64,
    /// Predictions created or changed.
    pub predictions_stored: u64,
    /// Quarantined rows.
    pub quarantined: u64,
    /// The first quarantined rows; `task_index` is the number of the row, from 1.
    pub quarantined_rows: Vec<QuarantinedTask>,
    /// Column prefix by field.
    pub columns: BTreeMap<String, String>,
    /// Documents of this file by review status, for each field.
    pub fields: BTreeMap<String, StatusCounts>,
    /// Fields created by this import.
    pub new_fields: Vec<NewField>,
    /// Unknown statuses with their number; the values decided.
    pub unknown_statuses: BTreeMap<String, u64>,
    /// Inconsistencies that did not prevent the import.
    pub warnings: Vec<String>,
    /// When reading began.
    pub started_at: DateTime<Utc>,
}
