//! Annotations, predictions and result items of a Label Studio JSON export.
//!
//! Each object keeps the names of its unknown keys for the import report.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::format::task_extension::ReviewExtension;

/// Maximum number of unknown keys kept per object; a malicious file may have millions.
const MAX_UNKNOWN_KEYS: usize = 20;
/// Maximum number of characters kept of an unknown key.
const MAX_KEY_CHARS: usize = 200;

/// A key, borrowed from the input unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// Defines an object whose keys are all optional. `unused` keys are written by Label Studio, ignored here and not reported as unknown.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident ($expecting:literal) { $($(#[$key_doc:meta])* $key:literal => $field:ident: $value:ty,)+ } unused { $($unused:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $($(#[$key_doc])* pub(crate) $field: Option<$value>,)+
            /// Names of unknown keys.
            pub(crate) unknown: Vec<String>,
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;

                impl<'de> Visitor<'de> for ObjectVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some(Key(key)) = map.next_key()? {
                            match &*key {
                                $($key => {
                                    if object.$field.is_some() {
                                        return Err(A::Error::duplicate_field($key));
                                    }
                                    object.$field = map.next_value()?;
                                })+
                                $($unused => skip(&mut map)?,)+
                                unknown => {
                                    if object.unknown.len() < MAX_UNKNOWN_KEYS {
                                        object.unknown.push(unknown.chars().take(MAX_KEY_CHARS).collect());
                                    }
                                    skip(&mut map)?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

object! {
    /// A submitted annotation. Drafts are listed separately and not read.
    Annotation ("an annotation") {
        "id" => id: Value,
        /// A user id or a user object.
        "completed_by" => completed_by: Value,
        "result" => result: Vec<ResultItem>,
        /// Skipped in Label Studio, or an undone review in an Aprendiz export.
        "was_cancelled" => was_cancelled: bool,
        /// Label Studio sets it on every imported annotation.
        "ground_truth" => ground_truth: bool,
        "created_at" => created_at: String,
        "updated_at" => updated_at: String,
        /// Review extension of an Aprendiz export.
        "aprendiz" => aprendiz: ReviewExtension,
    } unused {
        "bulk_created",
        "created_ago",
        "created_username",
        "draft_created_at",
        "import_id",
        "last_action",
        "last_created_by",
        "lead_time",
        "parent_annotation",
        "parent_prediction",
        "prediction",
        "project",
        "result_count",
        "task",
        "unique_id",
        "updated_by",
    }
}

object! {
    /// A prediction of one extractor version.
    Prediction ("a prediction") {
        "id" => id: Value,
        "result" => result: Vec<ResultItem>,
        "score" => score: f64,
        "model_version" => model_version: String,
        "created_at" => created_at: String,
        "updated_at" => updated_at: String,
    } unused {
        "cluster",
        "created_ago",
        "mislabeling",
        "model",
        "model_run",
        "neighbors",
        "project",
        "task",
    }
}

object! {
    /// The value of one control, or one labelled region. Relations have neither name nor value.
    ResultItem ("an item of a result") {
        /// Shared by the label of a region and the per-region controls of that region.
        "id" => id: Value,
        "type" => control: String,
        "from_name" => from_name: String,
        "value" => value: Map<String, Value>,
        "score" => score: f64,
    } unused {
        "hidden",
        "locked",
        "origin",
        "readonly",
        "to_name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_kept_by_name_up_to_a_limit() {
        let item: ResultItem =
            serde_json::from_str(r#"{"type":"choices","meta":{"text":["n\u006fte"]},"to_name":"text","m\u0065ta2":1}"#).unwrap();
        assert_eq!(item.unknown, ["meta", "meta2"]);
        let many: String = (0..1_000).map(|number| format!("\"k{number}\":1,")).collect();
        let item: ResultItem = serde_json::from_str(&format!("{{{many}\"type\":\"choices\"}}")).unwrap();
        assert_eq!((item.unknown.len(), item.control.as_deref()), (MAX_UNKNOWN_KEYS, Some("choices")));
    }

    #[test]
    fn a_repeated_key_and_a_list_instead_of_an_object_are_rejected() {
        assert!(serde_json::from_str::<ResultItem>(r#"{"type":"choices","type":"labels"}"#).is_err());
        assert!(serde_json::from_str::<ResultItem>(r#"["1","choices"]"#).is_err());
    }
}
