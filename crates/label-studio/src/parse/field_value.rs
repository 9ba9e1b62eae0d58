//! The value of a field in an annotation or prediction.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use aprendiz_annotation_types::{FieldKind, ReviewStatus, Span, canonical, canonical_date, comparable, is_iso_date, is_plain_number};

use crate::format::controls::ValueKind;

/// The value of one field.
#[derive(Debug, Default, PartialEq)]
pub struct FieldValue {
    /// Whether the field has a control of its own in the result, not only labelled spans.
    pub has_control: bool,
    /// Values of the controls: trimmed, non-empty, distinct, in the order of the file.
    pub values: Vec<String>,
    /// Labelled spans.
    pub spans: Vec<Span>,
    /// The review status, from a `_status` control.
    pub status: Option<ReviewStatus>,
    /// Lowest score of the items that have one.
    pub score: Option<f64>,
    /// What the controls imply about the kind of the field.
    pub(super) value_kind: ValueKind,
}

/// Values by field.
pub type FieldValues = BTreeMap<String, FieldValue>;

impl FieldValue {
    /// The value to store: that of the control, or the distinct texts of the spans if there is no control.
    #[must_use]
    pub fn value(&self) -> Vec<String> {
        self.stored_value().into_owned()
    }

    /// As [`Self::value`], without a copy if there is a control.
    #[must_use]
    pub fn stored_value(&self) -> Cow<'_, [String]> {
        if self.has_control {
            return Cow::Borrowed(&self.values);
        }
        let mut seen = HashSet::new();
        let texts = self
            .spans
            .iter()
            .map(|span| canonical(&span.text))
            .filter(|text| !text.is_empty() && seen.insert(comparable(text).into_owned()));
        Cow::Owned(texts.map(Cow::into_owned).collect())
    }

    /// The field kind that this value implies, if any.
    #[must_use]
    pub fn kind(&self) -> Option<FieldKind> {
        match self.value_kind {
            ValueKind::Categorical => Some(FieldKind::Categorical),
            ValueKind::Number => Some(FieldKind::Number),
            ValueKind::Free if !self.has_control => Some(FieldKind::Text),
            ValueKind::Free if self.values.is_empty() => None,
            ValueKind::Free if self.values.iter().all(|value| is_date(value)) => Some(FieldKind::Date),
            ValueKind::Free if self.values.iter().all(|value| is_plain_number(value)) => Some(FieldKind::Number),
            ValueKind::Free => Some(FieldKind::Text),
        }
    }
}

/// Whether a value is certainly a date: `YYYY-MM-DD`, also with the time of midnight that data frames and spreadsheets add.
fn is_date(value: &str) -> bool {
    value.get(..10).is_some_and(is_iso_date) && (value.len() == 10 || canonical_date(value).is_some())
}
