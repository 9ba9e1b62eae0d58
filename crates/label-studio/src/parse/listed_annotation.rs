//! An annotation of the list of a task, which may be unreadable.

use crate::format::annotation::{Annotation, AnnotationHead};
use crate::parse::digits::quote_long_numbers;
use crate::parse::problems::{Problems, describe_in};

/// An annotation of the list of a task.
pub(crate) struct ListedAnnotation {
    /// Index in the list.
    pub(crate) index: usize,
    /// If it cannot be parsed, only what is needed to decide whether it counts.
    pub(crate) annotation: Annotation,
    /// Why it cannot be parsed.
    pub(crate) error: Option<String>,
}

impl ListedAnnotation {
    pub(crate) const fn parsed(index: usize, annotation: Annotation) -> Self {
        Self { index, annotation, error: None }
    }

    /// Parses the JSON of an annotation. An empty entry of the list is left out.
    pub(super) fn parse(index: usize, json: &str, problems: &mut Problems) -> Option<Self> {
        if json == "null" {
            problems.note("an entry of `annotations` is null", format!("index {index}"));
            return None;
        }
        let quoted = quote_long_numbers(json, "");
        let error = match serde_json::from_str(&quoted) {
            Ok(annotation) => return Some(Self::parsed(index, annotation)),
            Err(error) => describe_in(&quoted, &error),
        };
        let head: AnnotationHead = serde_json::from_str(json).unwrap_or_default();
        let AnnotationHead { id, was_cancelled, skipped, created_at, updated_at, .. } = head;
        let annotation = Annotation { id, was_cancelled, skipped, created_at, updated_at, ..Annotation::default() };
        Some(Self { index, annotation, error: Some(error) })
    }

    /// Whether it was skipped in Label Studio.
    pub(super) fn is_cancelled(&self) -> bool {
        self.annotation.was_cancelled == Some(true) || self.annotation.skipped == Some(true)
    }

    pub(super) fn is_ground_truth(&self) -> bool {
        self.annotation.ground_truth == Some(true)
    }

    /// Why it cannot count as a review, apart from its id, time and result.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.error.iter().cloned().collect();
        for key in &self.annotation.malformed {
            faults.push(match *key {
                "result" => "`result` is not a list, or occurs twice".to_owned(),
                "was_cancelled" | "skipped" => format!("`{key}` is neither true nor false, or occurs twice"),
                "aprendiz" => "`aprendiz` is not a review extension as Aprendiz writes it".to_owned(),
                "id" | "created_at" | "updated_at" => format!("`{key}` occurs twice"),
                _ => continue,
            });
        }
        faults
    }
}
