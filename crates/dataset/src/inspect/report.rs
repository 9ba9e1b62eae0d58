//! What is in a snapshot, and how good its labels are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::agreement::{Agreement, agreement};
use crate::inspect::conflicts::{Conflict, conflict_count, conflicts};
use crate::inspect::distribution::{FieldPart, fields};
use crate::inspect::error::InspectError;
use crate::inspect::recorded::recorded;

/// Conflicts that a report lists; all are counted.
const LISTED: i64 = 20;

/// A snapshot in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DatasetReport {
    /// The snapshot.
    pub dataset_id: Uuid,
    /// Examples in all splits together.
    pub examples: i64,
    /// Labels with fewer examples are not learned.
    pub min_support: u32,
    /// By field.
    pub fields: BTreeMap<String, FieldReport>,
    /// Fields that are not learned, each with the reason.
    #[schema(value_type = Vec<Object>)]
    pub left_out: Value,
    /// Documents of the selection that are in no split, by reason.
    #[schema(value_type = Object)]
    pub excluded_documents: Value,
    /// Fields of equal texts that have different accepted values.
    pub conflicts_total: i64,
    /// The first of them; at most 20.
    pub conflicts: Vec<Conflict>,
    /// Where several reviewers judged the same.
    pub agreement: Agreement,
}

/// One field in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldReport {
    /// Examples in which it was reviewed.
    pub reviewed: i64,
    /// Examples with more than one value in a field that should hold one.
    pub several_values: i64,
    /// Its labels, the most frequent first; empty for a field that its definition keeps out of training.
    pub labels: Vec<LabelCount>,
    /// Number of its labels that are too rare to be learned.
    pub rare_labels: usize,
}

/// A label and its examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelCount {
    /// The label; null = no value.
    pub label: Option<String>,
    /// Examples in train.
    pub train: i64,
    /// Examples in validation.
    pub validation: i64,
    /// Examples in test.
    pub test: i64,
    /// Whether it has fewer examples than the minimum support.
    pub rare: bool,
}

/// Reports on a snapshot. Label counts are those that its build recorded; conflicts and agreement are counted from the events.
///
/// # Errors
/// [`InspectError::UnknownDataset`], [`InspectError::Erased`].
pub async fn report(conn: &mut PgConnection, id: Uuid) -> Result<DatasetReport, InspectError> {
    let recorded = recorded(conn, id).await?.with_content()?;
    let fields = fields(&recorded)?.into_iter().map(|(field, part)| (field, field_report(part, recorded.selection.min_support))).collect();
    let part = |name: &str| recorded.counts.get(name).cloned().unwrap_or_default();
    Ok(DatasetReport {
        dataset_id: id,
        examples: recorded.examples,
        min_support: recorded.selection.min_support,
        fields,
        left_out: part("left_out"),
        excluded_documents: part("excluded_documents"),
        conflicts_total: conflict_count(conn, &recorded).await?,
        conflicts: conflicts(conn, &recorded, None, LISTED).await?,
        agreement: agreement(conn, &recorded).await?,
    })
}

fn field_report(part: FieldPart, min_support: u32) -> FieldReport {
    let FieldPart { reviewed, several_values, labels } = part;
    let mut labels: Vec<LabelCount> = labels
        .into_iter()
        .map(|part| LabelCount {
            rare: part.count.total() < i64::from(min_support),
            label: part.label,
            train: part.count.train,
            validation: part.count.validation,
            test: part.count.test,
        })
        .collect();
    labels.sort_by_key(|label| std::cmp::Reverse(label.train + label.validation + label.test));
    FieldReport {
        reviewed: reviewed.total(),
        several_values: several_values.total(),
        rare_labels: labels.iter().filter(|label| label.rare).count(),
        labels,
    }
}
