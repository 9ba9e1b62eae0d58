//! Metrics by slice: the attributes of test examples and of reviewed values, and the metrics of a run.

use std::collections::{BTreeMap, HashMap};

use aprendiz_dataset::{review_slices, sliced_predictions};
use aprendiz_evaluation::{
    ConfusionCounts, FieldSlices, MAX_SLICES_PER_DIMENSION, SLICES_METRIC, Slice, SliceAttributes, SliceDimension, WORST_SLICES_METRIC,
    WorstSlices, slice_dimensions, worst_slices,
};
use aprendiz_run_spec::ValidatedSpec;
use aprendiz_runs::{NewMetric, NewRunError, TrainingRun};
use chrono::{DateTime, Datelike as _, Utc};
use futures::TryStreamExt as _;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::selection::resolve_selection;
use crate::retry::retry_on_outage;

/// The attributes of a document that are the same for all of its fields.
pub(crate) struct DocumentAttributes<'a> {
    pub(crate) source: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    pub(crate) text_chars: usize,
    /// Values of the keys of metadata, in their order.
    pub(crate) metadata: Vec<Option<String>>,
}

impl DocumentAttributes<'_> {
    /// The value of every dimension for a field that was reviewed by `reviewer` at `reviewed`.
    pub(crate) fn values(&self, reviewer: Option<&str>, reviewed: Option<DateTime<Utc>>) -> Vec<String> {
        let attributes = SliceAttributes {
            reviewer,
            source: self.source,
            project: self.project,
            text_chars: Some(self.text_chars),
            reviewed: reviewed.map(|at| (at.year(), at.month())),
            metadata: &self.metadata,
        };
        attributes.values()
    }
}

/// The values of some keys of metadata, which is a JSON object as text. A value that is no string stays JSON, so numbers keep all digits.
pub(crate) fn metadata_values(metadata: &str, keys: &[String]) -> Result<Vec<Option<String>>, Interruption> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let values: HashMap<String, &RawValue> = serde_json::from_str(metadata).map_err(Interruption::broken_state)?;
    keys.iter()
        .map(|key| match values.get(key).map(|value| value.get()) {
            None | Some("null") => Ok(None),
            Some(text) if text.starts_with('"') => serde_json::from_str(text).map(Some).map_err(Interruption::broken_state),
            Some(json) => Ok(Some(json.to_owned())),
        })
        .collect()
}

/// Names of the dimensions with the values of an example.
pub(crate) fn name_values(dimensions: &[String], values: Vec<String>) -> BTreeMap<String, String> {
    dimensions.iter().cloned().zip(values).collect()
}

/// The slices of every field as metrics, and the worst slices of all fields.
pub(crate) fn slice_metrics(split: &'static str, fields: &[FieldSlices]) -> Result<(Vec<NewMetric>, WorstSlices), Interruption> {
    let worst = worst_slices(fields);
    let mut metrics = Vec::new();
    for field in fields.iter().filter(|field| field.dimensions.iter().any(|dimension| !dimension.slices.is_empty())) {
        metrics.push(NewMetric {
            split,
            field: Some(field.field.clone()),
            name: SLICES_METRIC.to_owned(),
            value: None,
            details: Some(serde_json::to_value(field).map_err(Interruption::broken_state)?),
        });
    }
    if !metrics.is_empty() {
        metrics.push(NewMetric {
            split,
            field: None,
            name: WORST_SLICES_METRIC.to_owned(),
            value: Some(worst.significant as f64),
            details: Some(serde_json::to_value(&worst).map_err(Interruption::broken_state)?),
        });
    }
    Ok((metrics, worst))
}

/// Metrics of stored predictions by slice. Also adds their slices to the wrong predictions of the run.
///
/// Predictions have no position: one that was stored meanwhile may be in these metrics only.
pub(super) async fn stored_prediction_slices(
    deps: &Deps,
    run: &TrainingRun,
    spec: &ValidatedSpec,
    split: &'static str,
    errors: &mut [NewRunError],
) -> Result<Vec<NewMetric>, Interruption> {
    let fields = retry_on_outage!(count_once(deps, run, spec))?;
    let found = retry_on_outage!(read_once(deps, run, spec, errors))?;
    let dimensions = slice_dimensions(spec.slices());
    for error in errors {
        let values = found.get(&(error.document_id, error.field.clone())).cloned();
        error.slices = values.map(|values| name_values(&dimensions, values));
    }
    Ok(slice_metrics(split, &fields)?.0)
}

async fn count_once(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec) -> Result<Vec<FieldSlices>, Interruption> {
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    let selection = resolve_selection(&mut conn, run, spec).await?;
    let dimensions = slice_dimensions(spec.slices());
    let mut counted = SliceCounter::new(&dimensions);
    let mut sliced = std::pin::pin!(sliced_predictions(&mut conn, &selection, spec.slices(), MAX_SLICES_PER_DIMENSION as i64));
    while let Some(row) = sliced.try_next().await? {
        let slice = SliceName {
            field: row.field.clone(),
            dimension: usize::try_from(row.dimension).map_err(Interruption::broken_state)?,
            dimension_values: row.dimension_values.unsigned_abs(),
            value: row.value.clone(),
        };
        counted.add(slice, |counts| {
            counts.add(row.accepted_label(), row.predicted_label(), row.documents.unsigned_abs(), row.groups.unsigned_abs());
        });
    }
    Ok(counted.finish())
}

type Found = HashMap<(Uuid, String), Vec<String>>;

async fn read_once(deps: &Deps, run: &TrainingRun, spec: &ValidatedSpec, errors: &[NewRunError]) -> Result<Found, Interruption> {
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    let position = resolve_selection(&mut conn, run, spec).await?.position;
    let documents: Vec<Uuid> = errors.iter().map(|error| error.document_id).collect();
    let fields: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
    let rows = review_slices(&mut conn, position, &documents, &fields, spec.slices()).await?;
    Ok(rows.into_iter().map(|row| ((row.document_id, row.field), row.values)).collect())
}

/// Which slice a row counts for.
#[derive(Clone, PartialEq)]
struct SliceName {
    field: String,
    dimension: usize,
    dimension_values: u64,
    value: String,
}

/// Turns rows that are ordered by field, dimension and value into slices. Only the counts of one slice are in memory.
struct SliceCounter<'a> {
    dimensions: &'a [String],
    fields: Vec<FieldSlices>,
    current: Option<(SliceName, ConfusionCounts)>,
}

impl<'a> SliceCounter<'a> {
    const fn new(dimensions: &'a [String]) -> Self {
        Self { dimensions, fields: Vec::new(), current: None }
    }

    fn add(&mut self, slice: SliceName, count: impl FnOnce(&mut ConfusionCounts)) {
        if self.current.as_ref().is_none_or(|(name, _)| *name != slice) {
            self.close();
            self.current = Some((slice, ConfusionCounts::default()));
        }
        if let Some((_, counts)) = &mut self.current {
            count(counts);
        }
    }

    fn close(&mut self) {
        let Some((name, counts)) = self.current.take() else { return };
        if self.fields.last().is_none_or(|field| field.field != name.field) {
            let empty = |dimension: &String| SliceDimension::new(dimension.clone(), 0, Vec::new());
            self.fields.push(FieldSlices { field: name.field, dimensions: self.dimensions.iter().map(empty).collect() });
        }
        let dimension = self.fields.last_mut().and_then(|field| field.dimensions.get_mut(name.dimension));
        if let Some(dimension) = dimension {
            dimension.values = name.dimension_values;
            dimension.slices.push(Slice::from_counts(&name.value, &counts));
        }
    }

    fn finish(mut self) -> Vec<FieldSlices> {
        self.close();
        for field in &mut self.fields {
            for dimension in &mut field.dimensions {
                let slices = std::mem::take(&mut dimension.slices);
                *dimension = SliceDimension::new(std::mem::take(&mut dimension.dimension), dimension.values, slices);
            }
        }
        self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_values_are_strings_or_json_as_stored() {
        let keys = ["customer", "pages", "tags", "missing", "nothing"].map(str::to_owned);
        let metadata = r#"{"tags": ["a", "b"], "pages": 12345678901234567890, "customer": "ACM\u00c9", "nothing": null}"#;
        let values = metadata_values(metadata, &keys).unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(values, [text("ACMÉ"), text("12345678901234567890"), text(r#"["a", "b"]"#), None, None]);
        assert!(metadata_values("{}", &[]).unwrap().is_empty());
    }

    #[test]
    fn the_quarter_of_a_review_is_that_of_utc() {
        let document = DocumentAttributes { source: Some("s"), project: Some("p"), text_chars: 3, metadata: Vec::new() };
        let reviewed = "2026-04-01T01:00:00+03:00".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(document.values(None, Some(reviewed)), ["(none)", "s", "s/p", "under-1k", "2026-Q1"]);
    }

    #[test]
    fn ordered_rows_become_slices() {
        let dimensions = ["reviewer", "source"].map(str::to_owned);
        let mut counter = SliceCounter::new(&dimensions);
        let rows = [("kind", 0, "ana", true, 2), ("kind", 0, "ana", false, 1), ("kind", 1, "x", true, 3), ("law", 0, "bob", true, 4)];
        for (field, dimension, value, correct, documents) in rows {
            let name = SliceName { field: field.to_owned(), dimension, dimension_values: 1, value: value.to_owned() };
            let predicted = Some(if correct { "a" } else { "b" }.to_owned());
            counter.add(name, |counts| counts.add(Some("a".to_owned()), predicted, documents, documents));
        }
        let fields = counter.finish();
        let shape: Vec<_> = fields
            .iter()
            .map(|field| {
                let slices =
                    field.dimensions.iter().map(|dimension| dimension.slices.iter().map(|slice| slice.examples).collect::<Vec<_>>());
                (field.field.as_str(), slices.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(shape, [("kind", vec![vec![3], vec![3]]), ("law", vec![vec![4], vec![]])]);
        assert_eq!(fields[0].dimensions[0].slices[0].accuracy, Some(2.0 / 3.0));
        let (metrics, worst) = slice_metrics("reviewed", &fields).unwrap();
        let names: Vec<_> = metrics.iter().map(|metric| (metric.field.as_deref(), metric.name.as_str())).collect();
        assert_eq!(names, [(Some("kind"), "slices"), (Some("law"), "slices"), (None, "worst_slices")]);
        assert_eq!((worst.significant, metrics[2].value), (0, Some(0.0)));
        assert!(slice_metrics("reviewed", &[]).unwrap().0.is_empty());
    }
}
