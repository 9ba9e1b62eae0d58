//! Normalization of values: maps spellings of one value to a canonical form, for fields that hold categories as free text.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::comparison::{canonical, canonical_label, comparable, comparable_lowercase, distinct};
use crate::field_kind::FieldKind;

/// Maximum number of aliases of one field.
const MAX_ALIASES: usize = 10_000;

/// How the letter case of values is handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Case is kept and significant: values that differ in case are different values.
    #[default]
    Keep,
    /// Aliases and allowed values match case-insensitively; other values are converted to lower case.
    Lower,
    /// As `lower`, but other values are converted to upper case.
    Upper,
}

/// Normalization rules of a field. Values are always trimmed and composed (NFC); white space within a value never distinguishes aliases and
/// allowed values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// How letter case is handled.
    #[serde(default)]
    pub case: Case,
    /// Whether runs of white space are collapsed to one space.
    #[serde(default)]
    pub spaces: bool,
    /// Aliases and the canonical values they map to.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
}

#[cfg(feature = "sqlx")]
mod column {
    use sqlx::Postgres;
    use sqlx::error::BoxDynError;
    use sqlx::postgres::{PgTypeInfo, PgValueRef};
    use sqlx::types::Json;

    use super::Normalization;

    impl sqlx::Type<Postgres> for Normalization {
        fn type_info() -> PgTypeInfo {
            <Json<Self> as sqlx::Type<Postgres>>::type_info()
        }

        fn compatible(ty: &PgTypeInfo) -> bool {
            <Json<Self> as sqlx::Type<Postgres>>::compatible(ty)
        }
    }

    impl<'r> sqlx::Decode<'r, Postgres> for Normalization {
        fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
            <Json<Self> as sqlx::Decode<'r, Postgres>>::decode(value).map(|json| json.0)
        }
    }
}

impl Normalization {
    /// Checks the rules against the allowed values of the field.
    ///
    /// # Errors
    /// With a message for people that names the invalid alias.
    pub fn check(&self, allowed: Option<&[String]>) -> Result<(), String> {
        if self.aliases.len() > MAX_ALIASES {
            return Err(format!("there are {} aliases; at most {MAX_ALIASES} are allowed", self.aliases.len()));
        }
        let allowed: Option<HashSet<_>> = allowed.map(|allowed| allowed.iter().map(|value| comparable(value)).collect());
        for (alias, value) in &self.aliases {
            if [alias, value].iter().any(|text| text.trim().is_empty() || text.trim() != text.as_str() || text.contains('\0')) {
                return Err(format!(
                    "alias {alias:?} of {value:?}: both must be non-empty, without surrounding white space and NUL characters"
                ));
            }
            if allowed.as_ref().is_some_and(|allowed| !allowed.contains(&comparable(value))) {
                return Err(format!("alias {alias:?} maps to {value:?}, which is not an allowed value"));
            }
        }
        Ok(())
    }
}

/// Compiled normalization rules.
#[derive(Debug, Clone)]
pub struct Normalizer {
    case: Case,
    spaces: bool,
    /// Whether values are labels, which have single blanks.
    labels: bool,
    /// Canonical values by lookup key.
    canonical: BTreeMap<String, String>,
}

impl Normalizer {
    /// Compiles rules for a field with these allowed values.
    #[must_use]
    pub fn new(normalization: &Normalization, allowed: Option<&[String]>) -> Self {
        let mut normalizer = Self { case: normalization.case, spaces: normalization.spaces, labels: false, canonical: BTreeMap::new() };
        let mut spellings = HashMap::new();
        for value in allowed.unwrap_or_default() {
            normalizer.canonical.insert(normalizer.key(value), canonical(value).into_owned());
            spellings.entry(comparable(value)).or_insert(value);
        }
        for (alias, value) in &normalization.aliases {
            // an allowed value keeps its own spelling
            let spelling = spellings.get(&comparable(value)).copied().unwrap_or(value);
            normalizer.canonical.insert(normalizer.key(alias), canonical(spelling).into_owned());
        }
        normalizer
    }

    /// Compiles what is known about the values of a field: its rules, its allowed values, and that categories have single spaces. `None` if
    /// its values are kept as they are.
    #[must_use]
    pub fn for_field(kind: FieldKind, normalization: Option<&Normalization>, allowed: Option<&[String]>) -> Option<Self> {
        let is_categorical = kind == FieldKind::Categorical;
        if normalization.is_none() && allowed.is_none() && !is_categorical {
            return None;
        }
        let mut normalizer = Self::new(normalization.unwrap_or(&Normalization::default()), allowed);
        normalizer.labels = is_categorical;
        Some(normalizer)
    }

    /// The form in which a value is looked up among aliases and allowed values.
    fn key(&self, value: &str) -> String {
        match self.case {
            Case::Keep => comparable(value).into_owned(),
            Case::Lower | Case::Upper => comparable_lowercase(value),
        }
    }

    /// The form of a value that is neither an alias nor an allowed value.
    fn other(&self, value: &str) -> String {
        let spaced = match (self.spaces, self.labels) {
            (true, _) => comparable(value),
            (false, true) => canonical_label(value),
            (false, false) => canonical(value),
        };
        let cased = match self.case {
            Case::Keep => return spaced.into_owned(),
            Case::Lower => spaced.to_lowercase(),
            Case::Upper => spaced.to_lowercase().to_uppercase(),
        };
        canonical(&cased).into_owned()
    }

    /// Normalizes values and removes duplicates; the first occurrence stays.
    #[must_use]
    pub fn apply(&self, values: &[String]) -> Vec<String> {
        let normal = values.iter().map(|value| self.canonical.get(&self.key(value)).cloned().unwrap_or_else(|| self.other(value)));
        distinct(normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(normalization: &Normalization, allowed: Option<&[&str]>, values: &[&str]) -> Vec<String> {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        Normalizer::new(normalization, allowed.map(owned).as_deref()).apply(&owned(values))
    }

    #[test]
    fn spellings_of_a_value_are_normalized_to_one() {
        let aliases = BTreeMap::from([("NY".to_owned(), "New York".to_owned())]);
        let lower = Normalization { case: Case::Lower, spaces: true, aliases };
        assert_eq!(apply(&lower, None, &["ny", " New  York ", "Ohio"]), ["New York", "new york", "ohio"]);
        assert_eq!(apply(&lower, Some(&["New York"]), &["ny", " NEW\n YORK "]), ["New York"]);
        let upper = Normalization { case: Case::Upper, ..Normalization::default() };
        assert_eq!(apply(&upper, None, &["eur ", "EUR"]), ["EUR"]);
        assert_eq!(apply(&Normalization::default(), None, &[" a  b ", "A  b"]), ["a  b", "A  b"]);
    }

    #[test]
    fn canonical_equivalents_and_white_space_do_not_distinguish_spellings() {
        let keep = Normalization::default();
        assert_eq!(apply(&keep, Some(&["Goiás"]), &["Goia\u{301}s", "Goiás"]), ["Goiás"]);
        assert_eq!(apply(&keep, Some(&["Goia\u{301}s"]), &["Goiás"]), ["Goiás"], "values are stored composed");
        assert_eq!(apply(&keep, Some(&["New York"]), &["New\u{a0} York"]), ["New York"]);
        assert_eq!(apply(&keep, None, &["Goia\u{301}s"]), ["Goiás"]);
        let lower = Normalization { case: Case::Lower, ..Normalization::default() };
        assert_eq!(apply(&lower, Some(&["Goiás"]), &["GOIA\u{301}S"]), ["Goiás"]);
        let aliases = BTreeMap::from([("Sa\u{303}o  Paulo".to_owned(), "Sa\u{303}o Paulo".to_owned())]);
        let aliased = Normalization { aliases, ..Normalization::default() };
        assert!(aliased.check(Some(&["São Paulo".to_owned()])).is_ok());
        assert_eq!(apply(&aliased, Some(&["São Paulo"]), &["São Paulo", "Sa\u{303}o Paulo"]), ["São Paulo"]);
    }

    #[test]
    fn aliases_must_map_to_allowed_values() {
        let with = |alias: &str, value: &str| Normalization {
            aliases: BTreeMap::from([(alias.to_owned(), value.to_owned())]),
            ..Normalization::default()
        };
        let allowed = ["Ohio".to_owned()];
        assert!(with("OH", "Ohio").check(Some(&allowed)).is_ok());
        assert!(with("TX", "Texas").check(Some(&allowed)).unwrap_err().contains("allowed"));
        assert!(with("TX", " ").check(None).is_err());
    }
}
