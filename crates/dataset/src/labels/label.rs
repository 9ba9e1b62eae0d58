//! A label of a field: one of its values, or "no value".

use std::borrow::Cow;

use aprendiz_annotation_types::{NO_VALUE, display_label};
use serde::Serialize;

/// Sorted by code point, with "no value" last.
///
/// "No value", `null` in JSON, is a real review result and is counted like any other label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Label {
    Value(String),
    NoValue,
}

impl Label {
    /// The label as shown to people.
    pub(crate) fn display_name(&self) -> Cow<'_, str> {
        match self {
            Self::Value(value) => display_label(value),
            Self::NoValue => Cow::Borrowed(NO_VALUE),
        }
    }
}

impl Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => serializer.serialize_str(value),
            Self::NoValue => serializer.serialize_none(),
        }
    }
}
