//! Parser of tasks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use aprendiz_annotation_types::{
    FieldNames, HTML_TEXT, IndexedText, MOJIBAKE_TEXT, QuarantinedTask, ReasonGroups, describe_address, has_mojibake, is_blank, is_html,
    is_missing_word, truncate_printable,
};
use serde_json::value::RawValue;

use crate::format::annotation::Annotation;
use crate::format::items::Items;
use crate::format::json_min;
use crate::format::task::{BoundedList, OrderedObject, Task};
use crate::format::task_extension::{TaskExtension, check_field_names};
use crate::format::unknown_keys::NameCounts;
use crate::options::ReadOptions;
use crate::parse::field_name_findings::FieldNameFindings;
use crate::parse::field_value::FieldValues;
use crate::parse::latest::describe_latest;
use crate::parse::listed_annotation::ListedAnnotation;
use crate::parse::metadata::{Metadata, build_metadata, check_metadata, json_bytes, parse_entries, take_file_name};
use crate::parse::problems::{Problems, describe, describe_in};
use crate::parse::review_events::take_review_events;
use crate::parse::scalars::{has_nul, parse_id, parse_id_only, parse_small_value};
use crate::parse::times::first_time;
use crate::parsed_task::{MAX_PER_TASK, ParsedTask};
use crate::read_summary::IgnoredCounts;

/// Maximum bytes of the JSON of a document's metadata, the same as for a document created by itself.
const MAX_METADATA_BYTES: usize = 1 << 20;
/// Maximum bytes of the JSON of an annotation or a prediction: parsed, it takes many times the memory.
const MAX_ANNOTATION_BYTES: usize = 8 << 20;
const NO_TASK_ID: &str = "the task has no id: give every task a unique `id`, a whole number or a text; Label Studio does so when it imports the \
                          file, and exports it with ids";
/// Maximum number of fields of a file. Every review covers every field of its project, so names generated from data would multiply.
const MAX_FIELDS: usize = 1_000;

/// Parses tasks and counts what is left out.
pub(crate) struct Parser<'o> {
    pub(super) options: &'o ReadOptions,
    pub(super) findings: Findings,
    /// Problems of the current task.
    pub(super) problems: Problems,
    pub(super) names: &'o FieldNames,
    fields: HashSet<String>,
}

/// Counts of ignored and unknown parts of tasks.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) ignored: IgnoredCounts,
    pub(crate) unknown_controls: NameCounts,
    pub(crate) unknown_keys: NameCounts,
    /// Parts of valid tasks that were left out or read in a special way.
    pub(crate) notes: ReasonGroups,
    pub(crate) field_names: FieldNameFindings,
}

impl<'o> Parser<'o> {
    pub(crate) fn new(options: &'o ReadOptions) -> Self {
        Self { options, names: &options.field_names, findings: Findings::default(), problems: Problems::default(), fields: HashSet::new() }
    }

    pub(crate) const fn options(&self) -> &'o ReadOptions {
        self.options
    }

    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    /// Parses one task, or returns all reasons why it is quarantined, without its JSON.
    pub(crate) fn parse(&mut self, task_index: u64, raw: &str) -> Result<ParsedTask, QuarantinedTask> {
        let parsed = self.parse_task(raw).unwrap_or_else(|reason| {
            self.problems.reject(reason);
            None
        });
        self.findings.field_names.complete(|| parse_id_only(raw));
        let problems = std::mem::take(&mut self.problems);
        match (parsed, problems.reason()) {
            (Some(task), None) => {
                for (reason, place) in problems.notes {
                    self.findings.notes.add(&reason, || format!("task {}, {place}", task.task_id));
                }
                Ok(task)
            }
            (_, reason) => {
                let reason = reason.unwrap_or_else(|| "the task cannot be read".to_owned());
                Err(QuarantinedTask { task_index, task_id: parse_id_only(raw), reason, json: None })
            }
        }
    }

    /// Notes decisions about a task that may surprise. To be called once for a complete task.
    pub(crate) fn note_latest(&mut self, task: &ParsedTask) {
        for (reason, place) in describe_latest(&task.reviews) {
            self.findings.notes.add(reason, || format!("task {}, {place}", task.task_id));
        }
    }

    /// Notes what was no JSON in a task that was read nevertheless: reasons and keys.
    pub(crate) fn note_repairs(&mut self, task: &ParsedTask, repairs: &[(&str, String)]) {
        for (reason, place) in repairs {
            self.findings.notes.add(&format!("the task was read nevertheless: {reason}"), || format!("task {}, {place}", task.task_id));
        }
    }

    /// Returns `None`, or an error, if the task is quarantined; further reasons are in `problems`.
    fn parse_task(&mut self, raw: &str) -> Result<Option<ParsedTask>, String> {
        if has_nul(raw) {
            return Err("it contains a NUL character (\\u0000), which the database cannot store: remove it at the source".to_owned());
        }
        if !raw.starts_with('{') {
            return Err("the task is not an object: export the project as JSON".to_owned());
        }
        let task: Task<'_> = serde_json::from_str(raw).map_err(|error| describe_in(raw, &error))?;
        let parsed = if task.is_json_min { Some(self.parse_json_min(raw)?) } else { self.parse_json(task)? };
        if let Some(parsed) = &parsed {
            self.check_fields(parsed)?;
        }
        Ok(parsed)
    }

    fn parse_json(&mut self, task: Task<'_>) -> Result<Option<ParsedTask>, String> {
        let task_id = parse_small_value("id", task.id)
            .and_then(|id| parse_id("id", id.as_ref()))
            .and_then(|id| id.ok_or_else(|| NO_TASK_ID.to_owned()));
        let task_id = self.problems.require(task_id);
        let project = match &self.options.project {
            Some(project) => Some(project.clone()),
            None => {
                let project = parse_small_value("project", task.project).and_then(|project| parse_id("project", project.as_ref()));
                self.problems.require(project).map(|project| project.unwrap_or_else(|| "0".to_owned()))
            }
        };
        let has_results = task.annotations.is_some() || task.completions.is_some() || task.predictions.is_some() || task.drafts.is_some();
        self.findings.ignored.without_results += u64::from(!has_results);
        for key in ["data", "annotations", "predictions", "completions"].into_iter().filter(|key| task.malformed.contains(key)) {
            match key {
                "data" => self.problems.reject("`data` is not an object"),
                "annotations" => self.problems.reject("`annotations` is not a list"),
                _ => self.problems.note(format!("`{key}` is not a list and was left out"), "in general"),
            }
        }
        if task.data.is_none() && !task.malformed.contains(&"data") {
            self.problems.reject(self.no_data(&task));
        }
        let has_data = task.data.is_some();
        let OrderedObject(mut data) = task.data.unwrap_or(OrderedObject(Vec::new()));
        let text = if has_data {
            let text = self.take_text(&mut data);
            self.problems.require(text)
        } else {
            None
        };
        let metadata_bytes = json_bytes(&data) + json_bytes(&task.others) + task.meta.map_or(0, |meta| meta.get().len());
        if metadata_bytes > MAX_METADATA_BYTES {
            return Err(format!("the data besides the text has {metadata_bytes} bytes; at most {MAX_METADATA_BYTES} are allowed"));
        }
        let mut data = self.parse_metadata(&data, "data.");
        let mut file_name = take_file_name(&mut data, parse_small_value("file_upload", task.file_upload)?.as_ref());
        let task_time = parse_small_value("created_at", task.created_at)
            .and_then(|time| first_time([time.as_ref(), None], self.options.clock))
            .unwrap_or_else(|reason| {
                self.problems.note(format!("`created_at` of the task was left out: {reason}"), "in general");
                None
            });
        // without a text the other parts are still checked, so that all reasons are given at once
        let indexed = IndexedText::new(text.as_deref().unwrap_or_default());
        let predictions = self.parse_predictions(list_items("predictions", task.predictions)?, task_time, &indexed);
        let annotations = self.choose_annotations(task.annotations, task.completions);
        let mut annotations = self.parse_annotations(annotations)?;
        for listed in &annotations {
            let items = listed.annotation.result.as_ref().map_or(&[][..], |result| &result.items);
            self.findings.unknown_keys.count_all("annotations[].", &listed.annotation.unknown, items);
        }
        let review_events = take_review_events(&mut annotations, &indexed, self.options.clock, &mut self.problems);
        let reviews = self.parse_reviews(annotations, &predictions, &indexed);
        self.findings.ignored.drafts += task.drafts.map_or(0, |drafts| drafts.total as u64);
        if !task.others.is_empty() && data.contains_key("task") {
            self.findings.ignored.displaced_keys += 1;
        }
        self.note_lookalikes(&task.others);
        if task.meta.is_some_and(|meta| meta.get() != "null" && !meta.get().starts_with('{')) {
            self.problems.note("`meta` is not an object and was left out", "in general");
        }
        let extension = parse_extension(task.aprendiz)?;
        let others = self.parse_metadata(&task.others, "");
        let mut metadata = build_metadata(data, task.meta, &others)?;
        if let Some(details) = extension.details {
            file_name = details.file_name;
            metadata = build_metadata(check_metadata(details.metadata)?, None, &Metadata::new())?;
        }
        let fields = extension.fields;
        Ok(task_id.zip(project).zip(text).map(|((task_id, project), text)| ParsedTask {
            project,
            task_id,
            file_name,
            metadata,
            text,
            reviews,
            predictions,
            review_events,
            fields,
            is_json_min: false,
        }))
    }

    /// Why a task without `data` is quarantined.
    fn no_data(&self, task: &Task<'_>) -> String {
        let key = &self.options.text_key;
        if task.others.iter().any(|(name, _)| name == key.as_str()) {
            return format!(
                "the task has no `data` object but a `{key}` beside its other keys: export as JSON or JSON_MIN, or write {{\"id\": 1, \"data\": \
                 {{\"{key}\": \"…\"}}}}"
            );
        }
        "the task has no `data` object: export as JSON or JSON_MIN".to_owned()
    }

    /// Parses metadata, and names the key of a value that cannot be read.
    fn parse_metadata(&mut self, entries: &[(Cow<'_, str>, &RawValue)], place: &str) -> Metadata {
        let mut metadata = Metadata::new();
        for entry in entries {
            let parsed = parse_entries(std::slice::from_ref(entry));
            let parsed = parsed.map_err(|reason| format!("`{place}{}`: {reason}", truncate_printable(&entry.0, 60)));
            metadata.extend(self.problems.require(parsed).unwrap_or_default());
        }
        metadata
    }

    fn parse_json_min(&mut self, raw: &str) -> Result<ParsedTask, String> {
        let OrderedObject(mut entries) = serde_json::from_str(raw).map_err(|error| describe_in(raw, &error))?;
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
                result: Some(Items { items: element.items, empty: 0 }),
                created_at: element.created_at,
                updated_at: element.updated_at,
                ..Annotation::default()
            };
            reviews = self.parse_reviews(vec![ListedAnnotation::parsed(0, annotation)], &[], &IndexedText::new(&text));
        }
        let project = self.options.project.clone().unwrap_or_else(|| {
            self.findings.ignored.json_min_without_project += 1;
            "0".to_owned()
        });
        let metadata = build_metadata(element.data, None, &Metadata::new())?;
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
        for (field, value) in values.iter_mut().filter(|(_, value)| !value.values.is_empty()) {
            if let Some(normalizer) = self.options.normalizers.get(field) {
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
    fn take_text(&mut self, data: &mut Vec<(Cow<'_, str>, &RawValue)>) -> Result<String, String> {
        let key = &self.options.text_key;
        let raw = data.iter().rev().find(|(name, _)| name == key.as_str()).map(|(_, value)| *value);
        data.retain(|(name, _)| name != key.as_str());
        let text = match raw {
            Some(value) if value.get().starts_with('"') => serde_json::from_str::<String>(value.get()).map_err(|error| describe(&error))?,
            Some(value) => return Err(describe_other_text(key, value)),
            None => return Err(format!("the task has no text at `data.{key}`: set the text key of the import")),
        };
        if is_blank(&text) {
            return Err("the text is empty".to_owned());
        }
        if is_missing_word(&text) {
            return Err(format!("the text is `{}`, a word for a missing value: export it again with the texts", text.trim()));
        }
        if let Some(kind) = describe_address(&text) {
            return Err(format!(
                "`data.{key}` is only an address ({kind}), not the text of a document: export with the texts (in Label Studio, set \
                 `valueType=\"text\"` or `saveTextResult=\"yes\"`), or set the text key of the import to the key that holds the text"
            ));
        }
        if has_mojibake(&text) {
            self.problems.note(MOJIBAKE_TEXT, "its text");
        }
        if is_html(&text) {
            self.problems.note(HTML_TEXT, "its text");
        }
        let limit = self.options.limits.text_bytes;
        if text.len() > limit {
            return Err(format!("the text has {} bytes; at most {limit} are allowed", text.len()));
        }
        Ok(text)
    }
}

/// Why a value that is not a string is not the text of a document.
fn describe_other_text(key: &str, value: &RawValue) -> String {
    let turns = serde_json::from_str::<Vec<&RawValue>>(value.get()).map_or(0, |turns| turns.len());
    match value.get().as_bytes().first() {
        Some(b'[') => format!(
            "`data.{key}` is a list of turns ({turns}), as in a dialogue, and not a string: join the turns to one text under another key of `data`, and \
             set the text key of the import"
        ),
        Some(b'n') => format!("`data.{key}` is null"),
        _ => format!("`data.{key}` is not a string: set the text key of the import to the key that holds the text"),
    }
}

/// Checks the number of items of a list and returns them.
pub(super) fn list_items<'a>(what: &str, list: Option<BoundedList<'a>>) -> Result<Vec<&'a RawValue>, String> {
    match list {
        Some(list) if list.total > MAX_PER_TASK => Err(format!("the task has {} {what}; at most {MAX_PER_TASK} are allowed", list.total)),
        list => Ok(list.map(|list| list.items).unwrap_or_default()),
    }
}

/// Checks the size of an item.
pub(super) fn check_bytes(what: &str, item: &RawValue) -> Result<(), String> {
    match item.get().len() {
        bytes if bytes > MAX_ANNOTATION_BYTES => Err(format!("{what} has {bytes} bytes; at most {MAX_ANNOTATION_BYTES} are allowed")),
        _ => Ok(()),
    }
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
    let extension: TaskExtension =
        serde_json::from_str(raw.get()).map_err(|error| format!("aprendiz: {}", describe_in(raw.get(), &error)))?;
    check_field_names(&extension.fields)?;
    Ok(extension)
}

#[cfg(test)]
mod tests;
