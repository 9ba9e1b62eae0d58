//! Names of labels and controls that are not names of fields.

use std::collections::BTreeMap;

use aprendiz_annotation_types::truncate_printable;

/// Maximum number of names that are counted separately; the rest is counted as `(others)`.
const MAX_NAMES: usize = 100;
const MAX_NAME_CHARS: usize = 100;

/// A name that cannot become the name of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnusableName {
    /// Number of results with this name; they were left out.
    pub results: u64,
    /// Id of the first task that has one.
    pub first_task: Option<String>,
}

/// What was found about names.
#[derive(Debug, Default)]
pub(crate) struct FieldNameFindings {
    /// Field by name.
    pub(crate) renamed: BTreeMap<String, String>,
    pub(crate) unusable: BTreeMap<String, UnusableName>,
    /// Whether the first task of a name is still to be recorded.
    is_incomplete: bool,
}

impl FieldNameFindings {
    /// Records the field of a name, if it has one.
    pub(crate) fn record(&mut self, name: &str, field: Option<&str>) {
        let name = truncate_printable(name, MAX_NAME_CHARS);
        if let Some(field) = field {
            if self.renamed.len() < MAX_NAMES && !self.renamed.contains_key(&name) {
                self.renamed.insert(name, field.to_owned());
            }
            return;
        }
        let name = if self.unusable.contains_key(&name) || self.unusable.len() < MAX_NAMES { name } else { "(others)".to_owned() };
        let unusable = self.unusable.entry(name).or_default();
        unusable.results += 1;
        self.is_incomplete |= unusable.first_task.is_none();
    }

    /// Records the task of names that were new in it.
    pub(crate) fn complete(&mut self, task_id: impl FnOnce() -> Option<String>) {
        if !std::mem::take(&mut self.is_incomplete) {
            return;
        }
        let task_id = task_id().unwrap_or_else(|| "without id".to_owned());
        for unusable in self.unusable.values_mut() {
            unusable.first_task.get_or_insert_with(|| task_id.clone());
        }
    }
}
