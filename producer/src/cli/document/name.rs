//! The name of a document, as its source gives it.

use serde_json::Value;

/// SOURCE/PROJECT/TASK of a document in an API response.
pub(crate) fn document_name(document: &Value) -> String {
    let part = |key: &str| document[key].as_str().unwrap_or("-").to_owned();
    format!("{}/{}/{}", part("source"), part("project"), part("task_id"))
}
