//! Canonical form of values: equal values of a field are stored as the same string, whatever wrote them.
//!
//! Imports, the API and review files use these functions before a value is stored or compared.

mod date;
mod id;
mod number;

pub use date::{canonical_date, is_iso_date};
pub use id::{IdReading, read_id};
pub use number::{canonical_number, is_plain_number};

use crate::comparison::{canonical as canonical_text, comparable, distinct};
use crate::field_kind::FieldKind;

/// Returns the canonical form of a value of this kind. A value that is not of this kind is taken as a text, so no value is lost.
#[must_use]
pub fn canonical_value(kind: FieldKind, value: &str) -> String {
    let value = value.trim();
    let canonical = match kind {
        FieldKind::Number => canonical_number(value),
        FieldKind::Date => canonical_date(value),
        FieldKind::Categorical | FieldKind::Text => None,
    };
    canonical.unwrap_or_else(|| canonical_text(value).into_owned())
}

/// Returns the canonical forms of values, without empty and repeated ones; the first occurrence stays.
#[must_use]
pub fn canonical_values(kind: FieldKind, values: &[String]) -> Vec<String> {
    distinct(values.iter().map(|value| canonical_value(kind, value)))
}

/// Whether two values of a field of unknown kind are equal: as texts, or as plain numbers.
#[must_use]
pub fn same_value(left: &str, right: &str) -> bool {
    let (left, right) = (comparable(left), comparable(right));
    left == right || (is_plain_number(&left) && is_plain_number(&right) && canonical_number(&left) == canonical_number(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_kind_have_one_form() {
        let owned = ["12.0", "12", " 1.2e1 ", "12a", ""].map(str::to_owned);
        assert_eq!(canonical_values(FieldKind::Number, &owned), ["12", "12a"]);
        assert_eq!(canonical_values(FieldKind::Text, &owned), ["12.0", "12", "1.2e1", "12a"]);
        assert_eq!(canonical_value(FieldKind::Date, "2025-03-02 00:00:00"), "2025-03-02");
    }

    #[test]
    fn values_of_unknown_kind_are_equal_as_numbers_unless_zeros_lead() {
        assert!(same_value("1e3", "1000") && same_value("12.0", " 12 ") && same_value("a", "a"));
        assert!(!same_value("01", "1") && !same_value("1", "2") && !same_value("a", "A"));
    }
}
