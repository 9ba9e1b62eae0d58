//! What a run would learn from a selection, before it is created: examples and labels by field and split, with warnings.

use std::collections::BTreeMap;

use aprendiz_annotation_types::canonical_label;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::DatasetError;
use crate::labels::{FieldCounts, Label, Labels, SplitCounts};
use crate::selection::{Selection, SelectionRequest};
use crate::split::Split;

/// What a run would learn.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SelectionPreview {
    /// Position of the data.
    pub position: i64,
    /// Examples by split.
    pub examples: ExampleCounts,
    /// Projects of the examples.
    pub projects: Vec<ProjectExamples>,
    /// Fields by name.
    pub fields: BTreeMap<String, FieldPreview>,
    /// What may make the result worse than expected.
    pub warnings: Vec<String>,
}

/// Number of examples by split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExampleCounts {
    /// In train.
    pub train: i64,
    /// In validation.
    pub validation: i64,
    /// In test.
    pub test: i64,
}

/// Examples of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProjectExamples {
    /// Source of the project.
    pub source: String,
    /// Its id within the source.
    pub project: String,
    /// Number of examples.
    pub examples: i64,
}

/// What would be learned of a field.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldPreview {
    /// Reviewed examples.
    pub examples: ExampleCounts,
    /// Whether the field would be trained.
    pub is_trained: bool,
    /// Why not.
    pub reason: Option<String>,
    /// Labels, most frequent first.
    pub labels: Vec<LabelPreview>,
}

/// A label with its examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelPreview {
    /// The label; null means "no value".
    #[schema(value_type = Option<String>)]
    pub label: Value,
    /// Examples.
    pub examples: ExampleCounts,
    /// Whether it has too few examples to be trained.
    pub is_rare: bool,
}

impl From<SplitCounts> for ExampleCounts {
    fn from(counts: SplitCounts) -> Self {
        Self { train: counts.train, validation: counts.validation, test: counts.test }
    }
}

struct ValueRow {
    field: String,
    value: Vec<String>,
    split: Split,
    documents: i64,
    groups: i64,
}

/// Resolves a selection and counts its examples. Nothing is stored.
///
/// # Errors
/// As for a build, except that a selection without examples has warnings.
pub async fn preview(conn: &mut PgConnection, request: SelectionRequest) -> Result<SelectionPreview, DatasetError> {
    let selection = Selection::resolve(conn, request).await?;
    let projects = sqlx::query!(
        r#"
        SELECT c.source AS "source!", c.project AS "project!", c.split AS "split!: Split", count(*) AS "examples!"
        FROM chosen_documents($1, $2, $3, $4, 'infinity') c
        WHERE EXISTS (SELECT FROM accepted_values(c.id, $5, $1))
        GROUP BY c.source, c.project, c.split
        ORDER BY c.source, c.project
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut examples, mut by_project) = (SplitCounts::default(), BTreeMap::<(String, String), i64>::new());
    for row in projects {
        examples.add(row.split, row.examples);
        *by_project.entry((row.source, row.project)).or_default() += row.examples;
    }
    let counts = count_labels(conn, &selection).await?;
    let labels = Labels::from_counts(&selection, &counts);
    let fields: BTreeMap<String, FieldPreview> =
        selection.fields.iter().map(|field| (field.clone(), preview_field(field, counts.get(field), &labels))).collect();
    Ok(SelectionPreview {
        position: selection.position,
        warnings: warnings(&selection, examples, &fields),
        examples: examples.into(),
        projects: by_project.into_iter().map(|((source, project), examples)| ProjectExamples { source, project, examples }).collect(),
        fields,
    })
}

async fn count_labels(conn: &mut PgConnection, selection: &Selection) -> Result<BTreeMap<String, FieldCounts>, DatasetError> {
    let rows = sqlx::query_as!(
        ValueRow,
        r#"
        SELECT v.field AS "field!", v.value AS "value!", c.split AS "split!: Split", count(*) AS "documents!",
               count(DISTINCT s.group_key) AS "groups!"
        FROM chosen_documents($1, $2, $3, $4, 'infinity') c
        CROSS JOIN LATERAL (
            SELECT group_key FROM document_splits WHERE document_id = c.id AND position <= $1 ORDER BY version DESC LIMIT 1
        ) s
        CROSS JOIN LATERAL accepted_values(c.id, $5, $1) v
        GROUP BY v.field, v.value, c.split
        "#,
        selection.position,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
        &selection.fields,
    )
    .fetch_all(conn)
    .await?;
    let untrainable = selection.untrainable_names();
    let mut counts = BTreeMap::<String, FieldCounts>::new();
    for row in rows {
        let counts_labels = !untrainable.contains(&row.field);
        let field = counts.entry(row.field).or_default();
        field.reviewed.add(row.split, row.documents);
        let label = match row.value.as_slice() {
            [] => Label::NoValue,
            [value] if counts_labels => Label::Value(canonical_label(value).into_owned()),
            [_] => continue,
            _ => {
                field.several_values.add(row.split, row.documents);
                continue;
            }
        };
        field.labels.entry(label.clone()).or_default().add(row.split, row.documents);
        *field.label_groups.entry(label).or_default() += row.groups;
    }
    Ok(counts)
}

fn preview_field(field: &str, counts: Option<&FieldCounts>, labels: &Labels) -> FieldPreview {
    let trainable = labels.fields.get(field);
    let reason = labels.left_out.iter().find(|left_out| left_out.field == field).map(|left_out| left_out.reason.description().to_owned());
    let mut previews: Vec<(i64, LabelPreview)> = counts
        .into_iter()
        .flat_map(|counts| &counts.labels)
        .map(|(label, count)| {
            let is_rare = trainable.is_some_and(|trainable| !trainable.labels.contains(label));
            let label = serde_json::to_value(label).expect("a label is a string or null");
            (count.total(), LabelPreview { label, examples: (*count).into(), is_rare })
        })
        .collect();
    previews.sort_by_key(|(total, _)| std::cmp::Reverse(*total));
    FieldPreview {
        examples: counts.map(|counts| counts.reviewed.into()).unwrap_or_default(),
        is_trained: trainable.is_some(),
        reason,
        labels: previews.into_iter().map(|(_, label)| label).collect(),
    }
}

fn warnings(selection: &Selection, examples: SplitCounts, fields: &BTreeMap<String, FieldPreview>) -> Vec<String> {
    let mut warnings = Vec::new();
    if examples.total() == 0 {
        warnings.push(format!("there are no examples: {} have no reviewed value of the fields", selection.describe()));
        return warnings;
    }
    for (split, effect) in
        [(Split::Train, "nothing can be trained"), (Split::Validation, "no validation metrics"), (Split::Test, "nothing can be measured")]
    {
        if examples.get(split) == 0 {
            warnings.push(format!("no {} examples: {effect}", split.name()));
        }
    }
    for (name, field) in fields {
        if let Some(reason) = &field.reason {
            warnings.push(format!("field {name} would not be trained: {reason}"));
            continue;
        }
        let kept = || field.labels.iter().filter(|label| !label.is_rare);
        let rare = field.labels.len() - kept().count();
        if rare > 0 {
            warnings.push(format!(
                "field {name}: {rare} of {} labels have fewer than {} examples and would not be trained",
                field.labels.len(),
                selection.min_support
            ));
        }
        let untested = kept().filter(|label| label.examples.test == 0).count();
        if untested > 0 && examples.test > 0 {
            warnings.push(format!("field {name}: {untested} of {} trained labels have no test examples", kept().count()));
        }
    }
    warnings
}
