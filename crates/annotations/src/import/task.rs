//! The shape of a task in a Label Studio JSON export; keys that are not listed are ignored.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A task. Ids may be numbers or strings, depending on who wrote the file.
#[derive(Deserialize)]
pub(super) struct Task<'a> {
    pub(super) id: Option<Value>,
    pub(super) project: Option<Value>,
    pub(super) data: Option<Map<String, Value>>,
    pub(super) meta: Option<Value>,
    pub(super) file_upload: Option<Value>,
    pub(super) annotations: Option<Vec<Annotation>>,
    /// Whole predictions or, in direct exports, their ids only.
    #[serde(borrow)]
    pub(super) predictions: Option<Vec<&'a RawValue>>,
    pub(super) created_at: Option<String>,
}

/// A finished annotation. Drafts have a list of their own, which is not read.
#[derive(Deserialize)]
pub(super) struct Annotation {
    pub(super) id: Option<Value>,
    /// A user id, or the user.
    pub(super) completed_by: Option<Value>,
    pub(super) result: Option<Vec<Item>>,
    /// Skipped, or its review undone.
    pub(super) was_cancelled: Option<bool>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
}

/// A prediction of one version of an extractor.
#[derive(Deserialize)]
pub(super) struct Prediction {
    pub(super) id: Option<Value>,
    pub(super) result: Option<Vec<Item>>,
    pub(super) score: Option<f64>,
    pub(super) model_version: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) updated_at: Option<String>,
}

/// One answer, or one region. Relations have neither name nor value.
#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(rename = "type")]
    pub(super) control: Option<String>,
    pub(super) from_name: Option<String>,
    pub(super) value: Option<Map<String, Value>>,
    pub(super) score: Option<f64>,
}
