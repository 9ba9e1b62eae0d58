//! Parts of a result that cannot be read. They cost only themselves.

use std::collections::BTreeSet;

use aprendiz_annotation_types::is_valid_field_name;
use serde_json::Value;

use crate::format::controls::{Control, strings};
use crate::format::result_item::ResultItem;
use crate::parse::field_value::FieldValues;

/// What was left out of a result, and why.
#[derive(Debug, Default)]
pub(crate) struct ResultNotes {
    /// Types of unsupported controls, one per item.
    pub(crate) unknown_controls: Vec<String>,
    /// Reasons, each with the field if it is known.
    pub(crate) left_out: Vec<(String, Option<String>)>,
    /// Fields with an item that cannot be read: what the result says about them is unknown.
    pub(crate) unreadable: BTreeSet<String>,
    /// Reasons of places that were left out, each with the field. Values beside them are read.
    pub(crate) bad_places: Vec<(String, Option<String>)>,
    /// Fields of labels whose place was left out.
    unplaced: BTreeSet<String>,
    /// Reason of an item whose field is unknown: it may be about any field.
    pub(crate) unassigned: Option<String>,
}

impl ResultNotes {
    /// Notes an entry of a result that is null or no object, as it is left by a deleted region.
    pub(super) fn empty_entries(&mut self, entries: usize) {
        for _ in 0..entries {
            self.left_out.push(("an entry of the result is null or no object".to_owned(), None));
        }
    }

    /// Notes an item that was left out, and the fields that it is about.
    pub(super) fn reject(&mut self, item: &ResultItem, control: Control, reason: String) {
        let names = match (control, &item.from_name) {
            (Control::Labels, _) => strings(item.value.as_ref().and_then(|value| value.get("labels"))).unwrap_or_default(),
            (_, Some(name)) => vec![field_name(name).to_owned()],
            (_, None) => {
                self.unassigned.get_or_insert_with(|| reason.clone());
                Vec::new()
            }
        };
        self.unreadable.extend(names.iter().filter(|name| is_valid_field_name(name)).cloned());
        self.left_out.push((reason, names.into_iter().next()));
    }

    /// Notes an answer whose control is unknown: it is not "no value". An item without a value, such as a relation, is no answer.
    pub(super) fn reject_untyped(&mut self, item: &ResultItem) {
        if let (Some(name), Some(_)) = (&item.from_name, &item.value) {
            let field = field_name(name).to_owned();
            if is_valid_field_name(&field) {
                self.unreadable.insert(field.clone());
            }
            self.left_out.push((format!("the item of `{name}` has no `type` that says how to read its value"), Some(field)));
        }
    }

    /// Notes a labelled span that was left out because of its place. The label names its fields.
    pub(super) fn unplaced(&mut self, reason: &str, labels: &[String]) {
        self.unplaced.extend(labels.iter().filter(|name| is_valid_field_name(name)).cloned());
        self.bad_places.push((reason.to_owned(), labels.first().cloned()));
    }

    /// Notes the place of an answer that was left out; the answer itself is read.
    pub(super) fn lost_place(&mut self, reason: &str, field: &str) {
        self.bad_places.push((reason.to_owned(), Some(field.to_owned())));
    }

    /// Makes fields unreadable that had only labelled spans which were left out: the result does not say that they have no value.
    pub(super) fn reject_unplaced(&mut self, fields: &FieldValues) {
        let has_value = |name: &String| fields.get(name).is_some_and(|field| field.has_control || !field.spans.is_empty());
        self.unreadable.extend(std::mem::take(&mut self.unplaced).into_iter().filter(|name| !has_value(name)));
    }

    /// Notes parts of an item that were left out although the item itself is read.
    pub(super) fn check_parts(&mut self, item: &ResultItem) {
        let name = || item.from_name.as_deref().map(|name| field_name(name).to_owned());
        for key in item.malformed.iter().filter(|key| **key == "score") {
            self.left_out.push((format!("the `{key}` of an item is not a number"), name()));
        }
        let lists = item.value.iter().flat_map(|value| value.values());
        if lists.filter_map(Value::as_array).any(|values| values.iter().any(Value::is_null)) {
            self.left_out.push(("a value in a list is null".to_owned(), name()));
        }
    }
}

/// The field of a control: the suffix `_gold` of an older labelling configuration is not part of its name.
pub(super) fn field_name(control_name: &str) -> &str {
    control_name.strip_suffix("_gold").unwrap_or(control_name)
}
