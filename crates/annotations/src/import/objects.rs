//! What an export says about a document, as it stands there: annotations, predictions, and the items of their results.
//!
//! Each keeps the names of the keys that it does not know, so that the report can tell what was not taken in.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::import::marks::ReviewMarks;

/// Unknown keys of one object that are held; a hostile one has millions.
const MOST_UNKNOWN: usize = 20;
/// Characters of the name of one that are held.
const LONGEST_KEY: usize = 200;

/// A key, borrowed from the file where it holds no escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// An object whose keys may all be absent. `unused` ones are what Label Studio says beside, and nobody misses here.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident ($expecting:literal) { $($(#[$of_key:meta])* $key:literal => $field:ident: $value:ty,)+ } unused { $($unused:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name {
            $($(#[$of_key])* pub(super) $field: Option<$value>,)+
            /// Keys that are not known here.
            pub(super) unknown: Vec<String>,
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
                                    if object.unknown.len() < MOST_UNKNOWN {
                                        object.unknown.push(unknown.chars().take(LONGEST_KEY).collect());
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
    /// A finished annotation. Drafts have a list of their own, which is not read.
    Annotation ("an annotation") {
        "id" => id: Value,
        /// A user id, or the user.
        "completed_by" => completed_by: Value,
        "result" => result: Vec<Item>,
        /// Skipped, or its review undone.
        "was_cancelled" => was_cancelled: bool,
        /// Every imported annotation has it, so it says little.
        "ground_truth" => ground_truth: bool,
        "created_at" => created_at: String,
        "updated_at" => updated_at: String,
        /// Of an export of ours.
        "aprendiz" => aprendiz: ReviewMarks,
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
    /// A prediction of one version of an extractor.
    Prediction ("a prediction") {
        "id" => id: Value,
        "result" => result: Vec<Item>,
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
    /// One answer, or one region. Relations have neither name nor value.
    Item ("an item of a result") {
        /// Shared by the label of a region and by what is said about that region.
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
    fn unknown_keys_are_kept_by_name_and_only_so_many() {
        let item: Item =
            serde_json::from_str(r#"{"type":"choices","meta":{"text":["n\u006fte"]},"to_name":"text","m\u0065ta2":1}"#).unwrap();
        assert_eq!(item.unknown, ["meta", "meta2"]);
        let many: String = (0..1_000).map(|number| format!("\"k{number}\":1,")).collect();
        let item: Item = serde_json::from_str(&format!("{{{many}\"type\":\"choices\"}}")).unwrap();
        assert_eq!((item.unknown.len(), item.control.as_deref()), (MOST_UNKNOWN, Some("choices")));
    }

    #[test]
    fn a_repeated_key_and_a_list_in_place_of_an_object_are_refused() {
        assert!(serde_json::from_str::<Item>(r#"{"type":"choices","type":"labels"}"#).is_err());
        assert!(serde_json::from_str::<Item>(r#"["1","choices"]"#).is_err());
    }
}
