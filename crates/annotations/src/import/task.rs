//! The shape of a task in a Label Studio JSON export.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::import::objects::Key;

/// Keys of a task that say nothing about the document or its answers, or that other keys say better. Others are kept.
const COUNTS_AND_VIEWS: [&str; 35] = [
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

/// Keys of an object, and items of a list, that are held at once: values take many times the memory of their JSON.
const MOST_KEYS: usize = 1_000;
const MOST_ITEMS: usize = 1_000;

/// A task. Its parts stay JSON until somebody knows that they are small enough.
#[derive(Default)]
pub(super) struct Task<'a> {
    pub(super) id: Option<&'a RawValue>,
    pub(super) project: Option<&'a RawValue>,
    pub(super) data: Option<Ordered<'a>>,
    pub(super) meta: Option<&'a RawValue>,
    pub(super) file_upload: Option<&'a RawValue>,
    pub(super) annotations: Option<List<'a>>,
    /// Whole predictions or, in direct exports, their ids only.
    pub(super) predictions: Option<List<'a>>,
    /// Unfinished annotations: counted, not read.
    pub(super) drafts: usize,
    pub(super) created_at: Option<String>,
    /// Of an export of ours.
    pub(super) aprendiz: Option<&'a RawValue>,
    /// Keys that are not known here.
    pub(super) others: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Whether it looks like an element of a JSON_MIN export.
    pub(super) is_flat: bool,
}

/// By hand, because `#[serde(flatten)]` for the unknown keys would copy everything once more.
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
                        "data" => set(&mut task.data, "data", &mut map)?,
                        "meta" => set(&mut task.meta, "meta", &mut map)?,
                        "file_upload" => set(&mut task.file_upload, "file_upload", &mut map)?,
                        "annotations" => set(&mut task.annotations, "annotations", &mut map)?,
                        "predictions" => set(&mut task.predictions, "predictions", &mut map)?,
                        "created_at" => set(&mut task.created_at, "created_at", &mut map)?,
                        "aprendiz" => set(&mut task.aprendiz, "aprendiz", &mut map)?,
                        "drafts" => task.drafts = map.next_value::<Option<Vec<IgnoredAny>>>()?.map_or(0, |drafts| drafts.len()),
                        known if COUNTS_AND_VIEWS.contains(&known) => drop(map.next_value::<IgnoredAny>()?),
                        other => {
                            annotator |= other == "annotator";
                            annotation_id |= other == "annotation_id";
                            if task.others.len() == MOST_KEYS {
                                return Err(A::Error::custom(format_args!("the task has more than {MOST_KEYS} unknown keys")));
                            }
                            task.others.push((key, map.next_value()?));
                        }
                    }
                }
                task.is_flat = task.data.is_none() && task.annotations.is_none() && annotator && annotation_id;
                Ok(task)
            }
        }

        deserializer.deserialize_map(TaskVisitor)
    }
}

/// The first items of a list, and how many there are.
pub(super) struct List<'a> {
    pub(super) items: Vec<&'a RawValue>,
    pub(super) total: usize,
}

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<List<'de>, A::Error> {
                let mut list = List { items: Vec::new(), total: 0 };
                while list.items.len() < MOST_ITEMS {
                    match sequence.next_element()? {
                        Some(item) => list.items.push(item),
                        None => break,
                    }
                }
                list.total = list.items.len();
                while sequence.next_element::<IgnoredAny>()?.is_some() {
                    list.total += 1;
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}

/// The keys of an object in their order, which is all that tells data from answers in a JSON_MIN export.
pub(super) struct Ordered<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Ordered<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OrderedVisitor;

        impl<'de> Visitor<'de> for OrderedVisitor {
            type Value = Ordered<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    if entries.len() == MOST_KEYS {
                        return Err(A::Error::custom(format_args!("an object has more than {MOST_KEYS} keys")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Ordered(entries))
            }
        }

        deserializer.deserialize_map(OrderedVisitor)
    }
}
