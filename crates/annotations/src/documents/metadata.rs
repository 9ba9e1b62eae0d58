//! Metadata of a document: a JSON object whose numbers keep all digits, because it stays JSON text.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Type};

/// A JSON object as text.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Metadata(Box<RawValue>);

impl Metadata {
    /// The JSON text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Serializes an object.
    ///
    /// # Errors
    /// If a value cannot be written as JSON.
    pub fn from_entries<K: Serialize + Ord, V: Serialize>(entries: &std::collections::BTreeMap<K, V>) -> Result<Self, serde_json::Error> {
        to_raw_value(entries).map(Self)
    }
}

/// The empty object.
impl Default for Metadata {
    fn default() -> Self {
        Self(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON"))
    }
}

/// Texts are compared.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('{') { Ok(Self(raw)) } else { Err(D::Error::custom("metadata: expected a JSON object")) }
    }
}

impl Type<Postgres> for Metadata {
    fn type_info() -> PgTypeInfo {
        <Json<Box<RawValue>> as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <Json<Box<RawValue>> as Type<Postgres>>::compatible(ty)
    }
}

impl<'r> Decode<'r, Postgres> for Metadata {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <Json<Self> as Decode<'r, Postgres>>::decode(value).map(|json| json.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_and_only_objects_are_metadata() {
        let text = r#"{"nfe": 35230212345678901234550010000000011000000019, "x": 12.50}"#;
        let metadata: Metadata = serde_json::from_str(text).unwrap();
        assert_eq!((metadata.get(), serde_json::to_string(&metadata).unwrap().as_str()), (text, text));
        for other in ["[]", "null", "7", "\"{}\""] {
            assert!(serde_json::from_str::<Metadata>(other).unwrap_err().to_string().contains("JSON object"), "{other}");
        }
        assert_eq!(Metadata::default().get(), "{}");
    }
}
