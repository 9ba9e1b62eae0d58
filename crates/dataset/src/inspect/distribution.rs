//! Decodes the label counts of a recorded snapshot.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::SnapshotRecord;
use crate::labels::SplitCounts;

/// The key `fields` of `datasets.counts`.
#[derive(Debug, Deserialize)]
struct RecordedCounts {
    #[serde(default)]
    fields: BTreeMap<String, RecordedField>,
}

/// Recorded counts of one field.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RecordedField {
    #[serde(default)]
    pub(super) reviewed: SplitCounts,
    #[serde(default)]
    pub(super) several_values: SplitCounts,
    #[serde(default)]
    pub(super) labels: Vec<RecordedLabel>,
    /// Labels below the minimum support.
    #[serde(default)]
    pub(super) excluded: Vec<ExcludedLabel>,
}

/// A recorded label below the minimum support.
#[derive(Debug, Deserialize)]
pub(super) struct ExcludedLabel {
    pub(super) label: Option<String>,
}

/// Recorded counts of one label.
#[derive(Debug, Deserialize)]
pub(super) struct RecordedLabel {
    /// `None` means "no value".
    pub(super) label: Option<String>,
    #[serde(flatten)]
    pub(super) count: SplitCounts,
}

/// Returns the recorded counts by field.
pub(super) fn recorded_fields(record: &SnapshotRecord) -> Result<BTreeMap<String, RecordedField>, InspectError> {
    let broken = |source| InspectError::BrokenRow { column: "counts", id: record.id, source };
    Ok(RecordedCounts::deserialize(&record.counts).map_err(broken)?.fields)
}

impl RecordedField {
    /// Number of examples by label, without labels that have none.
    pub(super) fn distribution(&self) -> BTreeMap<Option<String>, i64> {
        self.labels.iter().map(|label| (label.label.clone(), label.count.total())).filter(|(_, count)| *count > 0).collect()
    }
}
