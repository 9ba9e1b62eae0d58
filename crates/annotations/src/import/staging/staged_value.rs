//! A value in the form in which it is staged.

use std::borrow::Cow;

use aprendiz_annotation_types::canonical_values;
use aprendiz_label_studio::FieldValue;

use crate::fields::FieldKind;

/// A value that looks like numbers or dates is staged in the canonical form of its kind, because that is most likely the kind of its field.
/// [`crate::import::merge::canonical_values`] corrects the values of fields that turn out to be of another kind.
pub(super) struct StagedValue<'v> {
    pub(super) kind: Option<FieldKind>,
    pub(super) value: Cow<'v, [String]>,
    /// The value as the file has it, if that differs.
    pub(super) written: Option<Cow<'v, [String]>>,
}

impl<'v> StagedValue<'v> {
    pub(super) fn new(field: &'v FieldValue) -> Self {
        let (kind, value) = (field.kind(), field.stored_value());
        let canonical = match kind {
            // a date with this length has no time, and is canonical
            Some(FieldKind::Date) if value.iter().all(|date| date.len() == "2020-02-29".len()) => None,
            Some(kind @ (FieldKind::Number | FieldKind::Date)) => Some(canonical_values(kind, &value)),
            Some(FieldKind::Categorical | FieldKind::Text) | None => None,
        };
        match canonical {
            Some(canonical) if canonical[..] != value[..] => Self { kind, value: Cow::Owned(canonical), written: Some(value) },
            _ => Self { kind, value, written: None },
        }
    }
}
