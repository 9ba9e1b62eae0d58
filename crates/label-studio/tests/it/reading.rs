//! Reads a file, and looks at what came out.

use std::sync::Arc;

use aprendiz_label_studio::{ParsedTask, ReadOptions, ReadSummary, TaskReader};
use serde_json::{Value, json};

/// What a file has.
pub(crate) struct Found {
    pub(crate) tasks: Vec<ParsedTask>,
    pub(crate) summary: ReadSummary,
}

impl Found {
    pub(crate) fn task(&self, id: &str) -> &ParsedTask {
        self.tasks
            .iter()
            .find(|task| task.task_id == id)
            .unwrap_or_else(|| panic!("task {id} is not valid: {:?}", self.summary.quarantined_tasks))
    }

    /// Ids of the valid tasks.
    pub(crate) fn ids(&self) -> Vec<&str> {
        self.tasks.iter().map(|task| task.task_id.as_str()).collect()
    }

    /// Value of a field in the review that counts; `None` if it is unreviewed.
    pub(crate) fn value(&self, id: &str, field: &str) -> Option<Vec<String>> {
        let review = self.task(id).reviews.iter().max_by_key(|review| review.order())?;
        let is_unreviewed = review.unresolved.contains(field);
        (!is_unreviewed).then(|| review.values.get(field).map(|value| value.value()).unwrap_or_default())
    }

    /// The reason why a task is quarantined, by its index.
    pub(crate) fn reason(&self, index: u64) -> &str {
        let task = self.summary.quarantined_tasks.iter().find(|task| task.task_index == index);
        &task.unwrap_or_else(|| panic!("task {index} is valid")).reason
    }

    /// Notes as `count: reason (examples)`.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.summary.notes.iter().map(ToString::to_string).collect()
    }

    /// Whether a note has all of these parts.
    pub(crate) fn has_note(&self, parts: &[&str]) -> bool {
        self.notes().iter().any(|note| parts.iter().all(|part| note.contains(part)))
    }
}

/// Reads a file that must not fail as a whole.
pub(crate) fn read(file: &[u8]) -> Found {
    let options = ReadOptions::default();
    let mut reader = TaskReader::open(file, &options, Arc::default()).unwrap();
    let mut tasks = Vec::new();
    while let Some((_, task)) = reader.next().unwrap_or_else(|error| panic!("the file fails: {error}")) {
        tasks.push(task);
    }
    Found { tasks, summary: reader.into_summary() }
}

pub(crate) fn read_tasks(tasks: &[Value]) -> Found {
    read(&serde_json::to_vec(tasks).unwrap())
}

/// A file of the folder `tests/fixtures/cases`.
pub(crate) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/cases/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A task with one annotation that reviews `law`.
pub(crate) fn reviewed(id: u64) -> Value {
    json!({"id": id, "project": 1, "data": {"text": "Supply of pumps, under the law of Malta."},
           "annotations": [annotation(id * 10, "2025-03-02T10:00:00Z", json!([choices("law", json!(["Malta"]))]))], "predictions": []})
}

pub(crate) fn annotation(id: u64, updated_at: &str, result: Value) -> Value {
    json!({"id": id, "completed_by": 1, "result": result, "was_cancelled": false, "updated_at": updated_at})
}

pub(crate) fn choices(name: &str, choices: Value) -> Value {
    json!({"type": "choices", "from_name": name, "to_name": "text", "value": {"choices": choices}})
}

pub(crate) fn values(values: &[&str]) -> Option<Vec<String>> {
    Some(values.iter().map(|value| (*value).to_owned()).collect())
}
