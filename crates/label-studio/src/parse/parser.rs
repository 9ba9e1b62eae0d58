//! Parser of tasks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use aprendiz_annotation_types::{IndexedText, QuarantinedTask, parse_time, truncate_printable};
use serde_json::Map;
use serde_json::value::RawValue;

use crate::format::annotation::Annotation;
use crate::format::json_min;
use crate::format::task::{BoundedList, OrderedObject, Task};
use crate::format::task_extension::{TaskExtension, check_field_names};
use crate::format::unknown_keys::NameCounts;
use crate::options::ReadOptions;
use crate::parse::field_values::FieldValues;
use crate::parse::metadata::{build_metadata, json_bytes, parse_entries, take_file_name};
use crate::parse::review_events::take_review_events;
use crate::parse::scalars::{has_nul, parse_id, parse_id_only, parse_small_value};
use crate::parsed_task::{MAX_PER_TASK, ParsedTask};
use crate::read_summary::IgnoredCounts;

const MAX_REASON_CHARS: usize = 500;
/// Maximum bytes of the JSON of a document's metadata, the same as for a document created by itself.
const MAX_METADATA_BYTES: usize = 1 << 20;
/// Maximum bytes of the JSON of an annotation or a prediction: parsed, it takes many times the memory.
const MAX_ANNOTATION_BYTES: usize = 8 << 20;
/// Maximum number of fields of a file. Every review covers every field of its project, so names generated from data would multiply.
const MAX_FIELDS: usize = 1_000;

/// Parses tasks and counts what is left out.
pub(crate) struct Parser<'o> {
    pub(super) options: &'o ReadOptions,
    pub(super) findings: Findings,
    fields: HashSet<String>,
}

/// Counts of ignored and unknown parts of tasks.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) ignored: IgnoredCounts,
    pub(crate) unknown_controls: NameCounts,
    pub(crate) unknown_keys: NameCounts,
}

impl<'o> Parser<'o> {
    pub(crate) fn new(options: &'o ReadOptions) -> Self {
        Self { options, findings: Findings::default(), fields: HashSet::new() }
    }

    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    /// Parses one task, or returns why it is quarantined, without its JSON.
    pub(crate) fn parse(&mut self, task_index: u64, raw: &str) -> Result<ParsedTask, QuarantinedTask> {
        self.parse_task(raw).map_err(|reason| QuarantinedTask {
            task_index,
            task_id: parse_id_only(raw),
            reason: truncate_printable(&reason, MAX_REASON_CHARS),
            json: None,
        })
    }

    fn parse_task(&mut self, raw: &str) -> Result<ParsedTask, String> {
        if has_nul(raw) {
            return Err("it contains a NUL character (\\u0000), which the database cannot store: remove it at the source".to_owned());
        }
        let task: Task<'_> = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        let parsed = if task.is_json_min { self.parse_json_min(raw)? } else { self.parse_json(task)? };
        self.check_fields(&parsed)?;
        Ok(parsed)
    }

    fn parse_json(&mut self, task: Task<'_>) -> Result<ParsedTask, String> {
        let task_id = parse_id("id", parse_small_value(task.id)?.as_ref())?.ok_or("the task has no id")?;
        let project = match &self.options.project {
            Some(project) => project.clone(),
            None => parse_id("project", parse_small_value(task.project)?.as_ref())?.unwrap_or_else(|| "0".to_owned()),
        };
        let OrderedObject(mut data) = task.data.ok_or("the task has no `data` object: export as JSON or JSON_MIN")?;
        let text = self.take_text(&mut data)?;
        let metadata_bytes = json_bytes(&data) + json_bytes(&task.others) + task.meta.map_or(0, |meta| meta.get().len());
        if metadata_bytes > MAX_METADATA_BYTES {
            return Err(format!("the data besides the text has {metadata_bytes} bytes; at most {MAX_METADATA_BYTES} are allowed"));
        }
        let mut data = parse_entries(&data)?;
        let mut file_name = take_file_name(&mut data, parse_small_value(task.file_upload)?.as_ref());
        let task_time = task.created_at.as_deref().map(parse_time).transpose()?;
        let indexed = IndexedText::new(&text);
        let predictions = self.parse_predictions(task.predictions, task_time, &indexed)?;
        let mut annotations = parse_annotations(task.annotations)?;
        for annotation in &annotations {
            let items = annotation.result.as_deref().unwrap_or_default();
            self.findings.unknown_keys.count_all("annotations[].", &annotation.unknown, items);
        }
        let review_events = take_review_events(&mut annotations, &indexed)?;
        let reviews = self.parse_reviews(annotations, &predictions, &indexed)?;
        self.findings.ignored.drafts += task.drafts as u64;
        if !task.others.is_empty() && data.contains_key("task") {
            self.findings.ignored.displaced_keys += 1;
        }
        let meta = task.meta.map(|meta| serde_json::from_str(meta.get())).transpose().map_err(|error| error.to_string())?;
        let extension = parse_extension(task.aprendiz)?;
        let mut metadata = build_metadata(data, meta, parse_entries(&task.others)?)?;
        if let Some(details) = extension.details {
            file_name = details.file_name;
            metadata = build_metadata(details.metadata, None, Map::new())?;
        }
        let fields = extension.fields;
        Ok(ParsedTask { project, task_id, file_name, metadata, text, reviews, predictions, review_events, fields, is_json_min: false })
    }

    fn parse_json_min(&mut self, raw: &str) -> Result<ParsedTask, String> {
        let OrderedObject(mut entries) = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        json_min::check_order(&entries, &self.options.text_key)?;
        let text = self.take_text(&mut entries)?;
        let bytes = json_bytes(&entries);
        if bytes > MAX_ANNOTATION_BYTES {
            return Err(format!("the element has {bytes} bytes besides the text; at most {MAX_ANNOTATION_BYTES} are allowed"));
        }
        let mut element = json_min::parse_element(&entries)?;
        let task_id = parse_id("id", element.id.as_ref())?.ok_or("the task has no id")?;
        let file_name = take_file_name(&mut element.data, None);
        let mut reviews = Vec::new();
        if element.annotation_id.is_some() {
            self.findings.unknown_keys.count_all("", &element.unknown, &element.items);
            let annotation = Annotation {
                id: element.annotation_id,
                completed_by: element.annotator,
                result: Some(element.items),
                created_at: element.created_at,
                updated_at: element.updated_at,
                ..Annotation::default()
            };
            reviews = self.parse_reviews(vec![annotation], &[], &IndexedText::new(&text))?;
        }
        let project = self.options.project.clone().unwrap_or_else(|| {
            self.findings.ignored.json_min_without_project += 1;
            "0".to_owned()
        });
        let metadata = build_metadata(element.data, None, Map::new())?;
        Ok(ParsedTask {
            project,
            task_id,
            file_name,
            metadata,
            text,
            reviews,
            predictions: Vec::new(),
            review_events: Vec::new(),
            fields: BTreeMap::new(),
            is_json_min: true,
        })
    }

    pub(super) fn normalize(&self, values: &mut FieldValues) {
        for (field, normalizer) in self.options.normalizers.iter() {
            if let Some(value) = values.get_mut(field) {
                value.values = normalizer.apply(&value.values);
            }
        }
    }

    fn check_fields(&mut self, task: &ParsedTask) -> Result<(), String> {
        let results = task.reviews.iter().map(|review| &review.values).chain(task.predictions.iter().map(|prediction| &prediction.values));
        let extended = task.review_events.iter().map(|event| &event.field).chain(task.fields.keys());
        for field in results.flat_map(FieldValues::keys).chain(extended) {
            if !self.fields.contains(field) {
                if self.fields.len() == MAX_FIELDS {
                    return Err(format!("`{field}` exceeds the limit of {MAX_FIELDS} fields per file"));
                }
                self.fields.insert(field.clone());
            }
        }
        Ok(())
    }

    /// Takes the text out of the data. Of a repeated key the last one counts, as usual in JSON.
    fn take_text(&self, data: &mut Vec<(Cow<'_, str>, &RawValue)>) -> Result<String, String> {
        let key = &self.options.text_key;
        let raw = data.iter().rev().find(|(name, _)| name == key.as_str()).map(|(_, value)| *value);
        data.retain(|(name, _)| name != key.as_str());
        let text = match raw {
            Some(value) if value.get().starts_with('"') => {
                serde_json::from_str::<String>(value.get()).map_err(|error| error.to_string())?
            }
            Some(_) => return Err(format!("`data.{key}` is not a string")),
            None => return Err(format!("the task has no text at `data.{key}`: set the text key of the import")),
        };
        if text.trim().is_empty() {
            return Err("the text is empty".to_owned());
        }
        let limit = self.options.limits.text_bytes;
        if text.len() > limit {
            return Err(format!("the text has {} bytes; at most {limit} are allowed", text.len()));
        }
        Ok(text)
    }
}

/// Checks the number and size of the items of a list and returns them.
pub(super) fn checked_items<'a>(what: &str, list: Option<BoundedList<'a>>) -> Result<Vec<&'a RawValue>, String> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    if list.total > MAX_PER_TASK {
        return Err(format!("the task has {} {what}; at most {MAX_PER_TASK} are allowed", list.total));
    }
    if let Some(large) = list.items.iter().find(|item| item.get().len() > MAX_ANNOTATION_BYTES) {
        return Err(format!("one of the {what} has {} bytes; at most {MAX_ANNOTATION_BYTES} are allowed", large.get().len()));
    }
    Ok(list.items)
}

fn parse_annotations(list: Option<BoundedList<'_>>) -> Result<Vec<Annotation>, String> {
    let parsed = checked_items("annotations", list)?.into_iter().map(|raw| serde_json::from_str(raw.get()));
    parsed.collect::<Result<_, _>>().map_err(|error| format!("an annotation: {error}"))
}

/// Parses the task extension of an Aprendiz export.
fn parse_extension(raw: Option<&RawValue>) -> Result<TaskExtension, String> {
    // it may hold the metadata and the fields of a document
    const MAX_BYTES: usize = 2 * MAX_METADATA_BYTES;
    let Some(raw) = raw else {
        return Ok(TaskExtension::default());
    };
    if raw.get().len() > MAX_BYTES {
        return Err(format!("`aprendiz` has {} bytes; at most {MAX_BYTES} are allowed", raw.get().len()));
    }
    let extension: TaskExtension = serde_json::from_str(raw.get()).map_err(|error| format!("aprendiz: {error}"))?;
    check_field_names(&extension.fields)?;
    Ok(extension)
}

#[cfg(test)]
mod tests;
