//! A task of a Label Studio JSON export.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::format::lenient::{AnyType, other_types};
use crate::format::object::Key;

/// Keys of a task that are dropped: counters and views without information about the document or its annotations. Other keys are kept.
const DROPPED_KEYS: [&str; 35] = [
    "updated_at",
    "updated_by",
    "inner_id",
    "total_annotations",
    "cancelled_annotations",
    "total_predictions",
    "comment_count",
    "unresolved_comment_count",
    "comment_authors",
    "comment_authors_count",
    "comments",
    "last_comment_updated_at",
    "allow_skip",
    "overlap",
    "is_labeled",
    "completed_at",
    "annotators",
    "annotators_count",
    "annotations_results",
    "annotations_ids",
    "predictions_results",
    "predictions_score",
    "predictions_model_versions",
    "draft_exists",
    "avg_lead_time",
    "ground_truth",
    "agreement",
    "agreement_selected",
    "reviewed",
    "reviewers",
    "reviewers_count",
    "reviews_accepted",
    "reviews_rejected",
    "storage_filename",
    "precomputed_agreement",
];

/// Maximum numbers of keys of an object and items of a list: parsed values take many times the memory of their JSON.
const MAX_KEYS: usize = 1_000;
const MAX_ITEMS: usize = 1_000;

/// A task. Its parts stay raw JSON until their size is checked.
#[derive(Default)]
pub(crate) struct Task<'a> {
    pub(crate) id: Option<&'a RawValue>,
    pub(crate) project: Option<&'a RawValue>,
    /// A value that is no object counts as absent.
    pub(crate) data: Option<OrderedObject<'a>>,
    pub(crate) meta: Option<&'a RawValue>,
    pub(crate) file_upload: Option<&'a RawValue>,
    pub(crate) annotations: Option<BoundedList<'a>>,
    /// Annotations of an export of Label Studio before 1.0.
    pub(crate) completions: Option<BoundedList<'a>>,
    /// Predictions or, in direct exports, only their ids.
    pub(crate) predictions: Option<BoundedList<'a>>,
    /// Only counted.
    pub(crate) drafts: Option<BoundedList<'a>>,
    pub(crate) created_at: Option<&'a RawValue>,
    /// Task extension of an Aprendiz export.
    pub(crate) aprendiz: Option<&'a RawValue>,
    /// Known keys whose value is no object or list, as expected.
    pub(crate) malformed: Vec<&'static str>,
    /// Unknown keys.
    pub(crate) others: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Whether it looks like an element of a JSON_MIN export.
    pub(crate) is_json_min: bool,
}

/// Hand-written, because `#[serde(flatten)]` for the unknown keys would copy every value.
impl<'de> Deserialize<'de> for Task<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TaskVisitor;

        fn set<'de, T: Deserialize<'de>, A: MapAccess<'de>>(slot: &mut Option<T>, key: &'static str, map: &mut A) -> Result<(), A::Error> {
            if slot.is_some() {
                return Err(A::Error::duplicate_field(key));
            }
            *slot = map.next_value()?;
            Ok(())
        }

        /// Reads a list or object. A value of another type is left out and its key kept.
        fn set_container<'de, T, A: MapAccess<'de>>(
            slot: &mut Option<T>,
            key: &'static str,
            malformed: &mut Vec<&'static str>,
            map: &mut A,
        ) -> Result<(), A::Error>
        where
            AnyType<T>: Deserialize<'de>,
        {
            if slot.is_some() || malformed.contains(&key) {
                return Err(A::Error::duplicate_field(key));
            }
            match map.next_value()? {
                AnyType::Expected(value) => *slot = Some(value),
                AnyType::Null => {}
                AnyType::Other => malformed.push(key),
            }
            Ok(())
        }

        impl<'de> Visitor<'de> for TaskVisitor {
            type Value = Task<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Task<'de>, A::Error> {
                let mut task = Task::default();
                let (mut annotator, mut annotation_id) = (false, false);
                while let Some(Key(key)) = map.next_key()? {
                    match &*key {
                        "id" => set(&mut task.id, "id", &mut map)?,
                        "project" => set(&mut task.project, "project", &mut map)?,
                        "data" => set_container(&mut task.data, "data", &mut task.malformed, &mut map)?,
                        "meta" => set(&mut task.meta, "meta", &mut map)?,
                        "file_upload" => set(&mut task.file_upload, "file_upload", &mut map)?,
                        "annotations" => set_container(&mut task.annotations, "annotations", &mut task.malformed, &mut map)?,
                        "predictions" => set_container(&mut task.predictions, "predictions", &mut task.malformed, &mut map)?,
                        "created_at" => set(&mut task.created_at, "created_at", &mut map)?,
                        "aprendiz" => set(&mut task.aprendiz, "aprendiz", &mut map)?,
                        "completions" => set_container(&mut task.completions, "completions", &mut task.malformed, &mut map)?,
                        "drafts" => set_container(&mut task.drafts, "drafts", &mut task.malformed, &mut map)?,
                        known if DROPPED_KEYS.contains(&known) => drop(map.next_value::<IgnoredAny>()?),
                        other => {
                            annotator |= other == "annotator";
                            annotation_id |= other == "annotation_id";
                            if task.others.len() == MAX_KEYS {
                                return Err(A::Error::custom(format_args!("the task has more than {MAX_KEYS} unknown keys")));
                            }
                            task.others.push((key, map.next_value()?));
                        }
                    }
                }
                task.is_json_min =
                    task.data.is_none() && task.annotations.is_none() && task.malformed.is_empty() && annotator && annotation_id;
                Ok(task)
            }
        }

        deserializer.deserialize_map(TaskVisitor)
    }
}

/// The first items of a list and its length.
pub(crate) struct BoundedList<'a> {
    pub(crate) items: Vec<&'a RawValue>,
    pub(crate) total: usize,
}

impl<'de> Deserialize<'de> for AnyType<BoundedList<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BoundedListVisitor;

        impl<'de> Visitor<'de> for BoundedListVisitor {
            type Value = AnyType<BoundedList<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut list = BoundedList { items: Vec::new(), total: 0 };
                while list.items.len() < MAX_ITEMS {
                    match sequence.next_element()? {
                        Some(item) => list.items.push(item),
                        None => break,
                    }
                }
                list.total = list.items.len();
                while sequence.next_element::<IgnoredAny>()?.is_some() {
                    list.total += 1;
                }
                Ok(AnyType::Expected(list))
            }

            other_types!(visit_map);
        }

        deserializer.deserialize_any(BoundedListVisitor)
    }
}

/// The entries of an object in file order. In JSON_MIN, only the order of the keys separates data from annotations.
pub(crate) struct OrderedObject<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for AnyType<OrderedObject<'de>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedObjectVisitor;

        impl<'de> Visitor<'de> for OrderedObjectVisitor {
            type Value = AnyType<OrderedObject<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if entries.len() == MAX_KEYS {
                        return Err(A::Error::custom(format_args!("an object has more than {MAX_KEYS} keys")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(AnyType::Expected(OrderedObject(entries)))
            }

            other_types!(visit_seq);
        }

        deserializer.deserialize_any(OrderedObjectVisitor)
    }
}

impl<'de> Deserialize<'de> for OrderedObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match AnyType::deserialize(deserializer)? {
            AnyType::Expected(object) => Ok(object),
            AnyType::Null | AnyType::Other => Err(D::Error::custom("expected an object")),
        }
    }
}
