//! How values that are written in different ways become one: for fields that hold categories as free text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::Postgres;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use utoipa::ToSchema;

/// Aliases of one field.
const MOST_ALIASES: usize = 10_000;

/// What becomes of the letters of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// They stay, and two values that differ in case are two.
    #[default]
    Keep,
    /// Aliases and allowed values are found whatever their case; all else becomes lower case.
    Lower,
    /// The same with upper case.
    Upper,
}

/// How the values of a field are written. White space around them always goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// What becomes of letters.
    #[serde(default)]
    pub case: Case,
    /// Whether every run of white space becomes one blank.
    #[serde(default)]
    pub spaces: bool,
    /// Ways of writing, and the values that they stand for.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
}

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

impl Normalization {
    /// Says what is wrong with it.
    pub(crate) fn check(&self, allowed: Option<&[String]>) -> Result<(), String> {
        if self.aliases.len() > MOST_ALIASES {
            return Err(format!("{} aliases are more than the {MOST_ALIASES} allowed", self.aliases.len()));
        }
        for (alias, value) in &self.aliases {
            if [alias, value].iter().any(|text| text.trim().is_empty() || text.trim() != text.as_str() || text.contains('\0')) {
                return Err(format!("alias {alias:?} of {value:?}: both must be there, without blanks around them and NUL characters"));
            }
            if let Some(allowed) = allowed
                && !allowed.contains(value)
            {
                return Err(format!("alias {alias:?} stands for {value:?}, which is not among the allowed values"));
            }
        }
        Ok(())
    }
}

/// A normalisation that is ready to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Normalizer {
    case: Case,
    spaces: bool,
    /// Values by how they are looked up.
    known: BTreeMap<String, String>,
}

impl Normalizer {
    pub(crate) fn new(normalization: &Normalization, allowed: Option<&[String]>) -> Self {
        let mut normalizer = Self { case: normalization.case, spaces: normalization.spaces, known: BTreeMap::new() };
        for value in allowed.unwrap_or_default() {
            normalizer.known.insert(normalizer.key(value), value.clone());
        }
        for (alias, value) in &normalization.aliases {
            normalizer.known.insert(normalizer.key(alias), value.clone());
        }
        normalizer
    }

    fn key(&self, value: &str) -> String {
        let spaced = if self.spaces { value.split_whitespace().collect::<Vec<_>>().join(" ") } else { value.trim().to_owned() };
        match self.case {
            Case::Keep => spaced,
            Case::Lower | Case::Upper => spaced.to_lowercase(),
        }
    }

    /// Writes each value as it should be; of values that become the same the first stays.
    pub(crate) fn apply(&self, values: &[String]) -> Vec<String> {
        let mut normal: Vec<String> = Vec::with_capacity(values.len());
        for value in values {
            let key = self.key(value);
            let value = match (self.known.get(&key), self.case) {
                (Some(known), _) => known.clone(),
                (None, Case::Upper) => key.to_uppercase(),
                (None, Case::Keep | Case::Lower) => key,
            };
            if !value.is_empty() && !normal.contains(&value) {
                normal.push(value);
            }
        }
        normal
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
    fn ways_of_writing_become_one_value() {
        let aliases = BTreeMap::from([("NY".to_owned(), "New York".to_owned())]);
        let lower = Normalization { case: Case::Lower, spaces: true, aliases };
        assert_eq!(apply(&lower, None, &["ny", " New  York ", "Ohio"]), ["New York", "new york", "ohio"]);
        assert_eq!(apply(&lower, Some(&["New York"]), &["ny", " NEW\n YORK "]), ["New York"]);
        let upper = Normalization { case: Case::Upper, ..Normalization::default() };
        assert_eq!(apply(&upper, None, &["eur ", "EUR"]), ["EUR"]);
        assert_eq!(apply(&Normalization::default(), None, &[" a  b ", "A  b"]), ["a  b", "A  b"]);
    }

    #[test]
    fn aliases_stand_for_values_that_can_be() {
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
