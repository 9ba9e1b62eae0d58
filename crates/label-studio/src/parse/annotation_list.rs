//! The list of annotations of a task, each parsed on its own.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::format::task::BoundedList;
use crate::parse::listed_annotation::ListedAnnotation;
use crate::parse::parser::{Parser, check_bytes, list_items};

/// Keys of a task that may hold reviews or predictions but are not read.
const LOOKALIKES: [&str; 8] = ["annotation", "annotations", "completion", "completions", "result", "results", "prediction", "predictions"];

impl Parser<'_> {
    /// Chooses the list of annotations: exports of Label Studio before 1.0 call it `completions`.
    pub(super) fn choose_annotations<'a>(
        &mut self,
        annotations: Option<BoundedList<'a>>,
        completions: Option<BoundedList<'a>>,
    ) -> Option<BoundedList<'a>> {
        let is_filled = |list: &Option<BoundedList<'_>>| list.as_ref().is_some_and(|list| list.total > 0);
        match (is_filled(&annotations), is_filled(&completions)) {
            (_, false) => annotations,
            (false, true) => {
                let reason = "`completions`, as exports of Label Studio before 1.0 have them, were read as annotations";
                self.problems.note(reason, "completions");
                completions
            }
            (true, true) => {
                self.problems.note("`completions` beside `annotations` were not read", "completions");
                annotations
            }
        }
    }

    /// Parses the annotations of a task.
    pub(super) fn parse_annotations(&mut self, list: Option<BoundedList<'_>>) -> Result<Vec<ListedAnnotation>, String> {
        let items = list_items("annotations", list)?;
        let mut annotations = Vec::with_capacity(items.len());
        let mut seen = HashSet::with_capacity(items.len());
        for (index, raw) in items.into_iter().enumerate() {
            check_bytes("an annotation", raw)?;
            if raw.get() != "null" && !seen.insert(raw.get()) {
                self.problems.note("an annotation is listed twice", format!("index {index}"));
                continue;
            }
            annotations.extend(ListedAnnotation::parse(index, raw.get(), &mut self.problems));
        }
        Ok(annotations)
    }

    /// Notes unknown keys of a task that look as if they held reviews.
    pub(super) fn note_lookalikes(&mut self, others: &[(Cow<'_, str>, &RawValue)]) {
        for (key, value) in others {
            let is_filled = value.get().starts_with(['{', '[']) && value.get().len() > 2;
            if is_filled && (LOOKALIKES.iter().any(|name| key.eq_ignore_ascii_case(name)) || holds_results(value)) {
                let reason =
                    format!("the key `{key}` of the task is not read: rename it to `annotations` (or `predictions`) if it holds them");
                self.problems.note(reason, "in general");
            }
        }
    }
}

/// Whether a value is an object with a result, or a list of such objects, as annotations and predictions are.
fn holds_results(value: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct WithResult<'a> {
        #[serde(borrow)]
        result: &'a RawValue,
    }
    if !value.get().contains("\"result\"") {
        return false;
    }
    let is_result =
        |item: &RawValue| serde_json::from_str::<WithResult<'_>>(item.get()).is_ok_and(|item| item.result.get().starts_with('['));
    is_result(value) || serde_json::from_str::<Vec<&RawValue>>(value.get()).is_ok_and(|items| items.into_iter().any(is_result))
}
