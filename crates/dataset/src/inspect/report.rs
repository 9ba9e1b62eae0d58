//! Report on the content of a snapshot and the quality of its labels.

use std::collections::{BTreeMap, HashSet};

use aprendiz_annotation_types::look_alike_groups;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::agreement::{Agreement, agreement};
use crate::inspect::conflicts::{Conflict, conflict_count, conflicts};
use crate::inspect::distribution::{RecordedField, recorded_fields};
use crate::inspect::error::InspectError;
use crate::inspect::snapshot_record::load_snapshot;
use crate::inspect::withdrawals::{WithdrawnImport, withdrawn_imports};

/// Maximum number of conflicts listed in a report; all are counted.
const MAX_LISTED_CONFLICTS: i64 = 20;
/// Maximum number of groups of similar labels listed for a field.
const MAX_SIMILAR_GROUPS: usize = 20;

/// Statistics of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetReport {
    /// Id of the snapshot.
    pub dataset_id: Uuid,
    /// Examples in all splits.
    pub examples: i64,
    /// Examples that are near-duplicates of another example of their group; a group counts once in thresholds, intervals and `n`. Null for
    /// snapshots of older versions.
    pub copies: Option<i64>,
    /// Empty splits and large groups of near-duplicates.
    pub warnings: Vec<String>,
    /// Labels with fewer examples are excluded from training; near-duplicates count once.
    pub min_support: u32,
    /// Statistics by field.
    pub fields: BTreeMap<String, FieldReport>,
    /// Fields that are excluded from training, with the reason.
    #[schema(value_type = Vec<Object>)]
    pub left_out: Value,
    /// Number of selected documents that are not examples, by reason.
    #[schema(value_type = Object)]
    pub excluded_documents: Value,
    /// Number of conflicts: fields with different accepted values for equal texts.
    pub conflicts_total: i64,
    /// The first conflicts; at most 20.
    pub conflicts: Vec<Conflict>,
    /// Agreement of the reviewers.
    pub agreement: Agreement,
    /// Imports in the snapshot that were reverted later. It stays valid, and holds what they contained.
    pub withdrawn_imports: Vec<WithdrawnImport>,
}

/// Statistics of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldReport {
    /// Examples in which the field was reviewed.
    pub reviewed: i64,
    /// Examples with more than one value in a single-valued field.
    pub several_values: i64,
    /// Labels, most frequent first; empty for a field that its definition excludes from training.
    pub labels: Vec<LabelCount>,
    /// Number of labels with fewer examples than the minimum support.
    pub rare_labels: usize,
    /// Groups of labels that differ only in case, width, white space or invisible characters; at most 20.
    pub similar_labels: Vec<Vec<String>>,
}

/// Examples of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelCount {
    /// The label; null means "no value".
    pub label: Option<String>,
    /// Examples in train.
    pub train: i64,
    /// Examples in validation.
    pub validation: i64,
    /// Examples in test.
    pub test: i64,
    /// Whether the label has fewer examples than the minimum support.
    pub rare: bool,
}

/// Computes the report of a snapshot. Label counts come from the recorded build; conflicts and agreement are computed from the events.
///
/// # Errors
/// [`InspectError::UnknownDataset`], [`InspectError::Erased`].
pub async fn report(conn: &mut PgConnection, id: Uuid) -> Result<DatasetReport, InspectError> {
    let record = load_snapshot(conn, id).await?.with_content()?;
    let fields =
        recorded_fields(&record)?.into_iter().map(|(field, counts)| (field, field_report(counts, record.selection.min_support))).collect();
    let recorded_count = |name: &str| record.counts.get(name).cloned().unwrap_or_default();
    Ok(DatasetReport {
        dataset_id: id,
        examples: record.examples,
        copies: record.counts["groups"]["copies"].as_i64(),
        warnings: Vec::deserialize(recorded_count("warnings")).unwrap_or_default(),
        min_support: record.selection.min_support,
        fields,
        left_out: recorded_count("left_out"),
        excluded_documents: recorded_count("excluded_documents"),
        conflicts_total: conflict_count(conn, &record).await?,
        conflicts: conflicts(conn, &record, None, MAX_LISTED_CONFLICTS).await?,
        agreement: agreement(conn, &record).await?,
        withdrawn_imports: withdrawn_imports(conn, &record).await?,
    })
}

fn field_report(counts: RecordedField, min_support: u32) -> FieldReport {
    let RecordedField { reviewed, several_values, labels, excluded } = counts;
    let excluded: HashSet<&Option<String>> = excluded.iter().map(|excluded| &excluded.label).collect();
    let mut labels: Vec<LabelCount> = labels
        .into_iter()
        .map(|label| LabelCount {
            rare: label.count.total() < i64::from(min_support) || excluded.contains(&label.label),
            label: label.label,
            train: label.count.train,
            validation: label.count.validation,
            test: label.count.test,
        })
        .collect();
    let similar_labels = look_alike_groups(labels.iter().filter_map(|label| label.label.as_deref()))
        .into_iter()
        .take(MAX_SIMILAR_GROUPS)
        .map(|group| group.into_iter().map(str::to_owned).collect())
        .collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.train + label.validation + label.test));
    FieldReport {
        reviewed: reviewed.total(),
        several_values: several_values.total(),
        similar_labels,
        rare_labels: labels.iter().filter(|label| label.rare).count(),
        labels,
    }
}
