//! Types, cardinalities and names of labelled fields.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::canonical::canonical_number;
use crate::field_kind::FieldKind;

/// How many values a document may have for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type))]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "sqlx", sqlx(type_name = "field_cardinality", rename_all = "lowercase"))]
pub enum Cardinality {
    /// At most one.
    One,
    /// Any number.
    Many,
}

/// Kind and cardinality of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldType {
    /// Kind of its values.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
}

/// Whether a string is a valid field name: `[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}`, the check constraint of the table.
#[must_use]
pub fn is_valid_field_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = name.bytes();
    name.len() <= 100 && bytes.next().is_some_and(word) && bytes.all(|byte| word(byte) || b".:-".contains(&byte))
}

/// Whether a value is valid for a number field. Only decimal numbers are; `inf` and `nan` are not.
#[must_use]
pub fn is_number(value: &str) -> bool {
    canonical_number(value).is_some() && value.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_iso_date;

    #[test]
    fn field_names_follow_the_check_constraint() {
        for good in ["a", "contract_type", "0", "x.y:z-1", &"n".repeat(100)] {
            assert!(is_valid_field_name(good), "{good}");
        }
        for bad in ["", " a", "a b", "-a", "é", "a\n", &"n".repeat(101)] {
            assert!(!is_valid_field_name(bad), "{bad}");
        }
    }

    #[test]
    fn words_are_neither_numbers_nor_dates() {
        assert!(is_number("-1.5") && is_number("2020"));
        assert!(!is_number("inf") && !is_number("NaN") && !is_number("1,000"));
        assert!(is_iso_date("2020-02-29"));
        assert!(!is_iso_date("2021-02-29") && !is_iso_date("2021-2-9") && !is_iso_date("[]/[]/2020"));
        assert!(!is_iso_date("2021- 2- 9") && !is_iso_date("+2021-2-09") && !is_iso_date("2021-02-1é"));
    }
}
