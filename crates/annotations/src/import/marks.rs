//! What an export of ours adds to a task file, so that its import gives back what a task file cannot say by itself: which fields a
//! review was about, that it was undone, where it came from. Label Studio drops these keys and loses nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fields::{Cardinality, FieldKind};
use crate::review_status::ReviewStatus;

/// Longest source and reference of a review, as `review` bounds them.
const LONGEST_SOURCE: usize = 200;
const LONGEST_REF: usize = 410;
const LONGEST_NOTE: usize = 10_000;

/// What a task needs beside `data` to be the same document again.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TaskMarks {
    /// Where `data` cannot hold them.
    pub(super) details: Option<DetailMarks>,
    /// What the fields of the document are, so that they need not be guessed again.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, FieldMarks>,
}

/// What a field is.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct FieldMarks {
    pub(super) kind: FieldKind,
    pub(super) cardinality: Cardinality,
}

/// File name and metadata, exactly.
#[derive(Debug, Deserialize)]
pub(super) struct DetailMarks {
    pub(super) file_name: Option<String>,
    pub(super) metadata: Map<String, Value>,
}

/// What is known about a review beside its answers.
#[derive(Debug, Deserialize)]
pub(super) struct ReviewMarks {
    pub(super) source: String,
    pub(super) source_ref: String,
    /// The fields that it answers, with how each answer related to the prediction of its time; about others, whatever the result holds,
    /// it says nothing.
    pub(super) fields: BTreeMap<String, ReviewStatus>,
    pub(super) note: Option<String>,
}

impl ReviewMarks {
    /// Refuses what the tables would refuse.
    pub(super) fn check(&self) -> Result<(), String> {
        for (part, text, longest) in [
            ("source", Some(&self.source), LONGEST_SOURCE),
            ("source_ref", Some(&self.source_ref), LONGEST_REF),
            ("note", self.note.as_ref(), LONGEST_NOTE),
        ] {
            if text.is_some_and(|text| text.is_empty() || text.chars().count() > longest) {
                return Err(format!("its `aprendiz.{part}` is empty or has more than {longest} characters"));
            }
        }
        Ok(())
    }
}
