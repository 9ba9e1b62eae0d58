//! How the labels of a field are distributed, from the counts of a snapshot.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::inspect::error::InspectError;
use crate::inspect::recorded::Recorded;

/// The part of `datasets.counts` that is by field.
#[derive(Debug, Deserialize)]
struct Counts {
    #[serde(default)]
    fields: BTreeMap<String, FieldPart>,
}

/// What was counted for one field.
#[derive(Debug, Default, Deserialize)]
pub(super) struct FieldPart {
    #[serde(default)]
    pub(super) reviewed: PerSplit,
    #[serde(default)]
    pub(super) several_values: PerSplit,
    #[serde(default)]
    pub(super) labels: Vec<LabelPart>,
}

/// Examples per split.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct PerSplit {
    pub(super) train: i64,
    pub(super) validation: i64,
    pub(super) test: i64,
}

impl PerSplit {
    pub(super) const fn total(self) -> i64 {
        self.train + self.validation + self.test
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LabelPart {
    /// `None` = no value.
    pub(super) label: Option<String>,
    #[serde(flatten)]
    pub(super) count: PerSplit,
}

/// By field what was counted.
pub(super) fn fields(recorded: &Recorded) -> Result<BTreeMap<String, FieldPart>, InspectError> {
    let broken = |source| InspectError::BrokenRow { column: "counts", id: recorded.id, source };
    Ok(Counts::deserialize(&recorded.counts).map_err(broken)?.fields)
}

impl FieldPart {
    /// Examples by label.
    pub(super) fn distribution(&self) -> BTreeMap<Option<String>, i64> {
        self.labels.iter().map(|part| (part.label.clone(), part.count.total())).filter(|(_, count)| *count > 0).collect()
    }
}
