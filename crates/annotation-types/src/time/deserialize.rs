//! Deserializes times of requests in the forms that [`parse_time`] reads.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Deserializer, Error, Visitor};

use crate::time::parse::parse_time;

/// Deserializes an optional time, for `#[serde(default, deserialize_with = "deserialize_time")]`: a string or a number.
///
/// # Errors
/// If it is not a time.
pub fn deserialize_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    deserializer.deserialize_option(TimeVisitor)
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Option<DateTime<Utc>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time like 2024-01-31T12:00:00Z")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_time(text).map(Some).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Request {
        #[serde(default, deserialize_with = "deserialize_time")]
        at: Option<DateTime<Utc>>,
    }

    #[test]
    fn times_of_requests_are_strings_or_numbers() {
        let at = |json: &str| serde_json::from_str::<Request>(json).map(|request| request.at.map(|at| at.timestamp()));
        for json in [
            r#"{"at":"2025-03-02T10:00:00Z"}"#,
            r#"{"at":"2025-03-02 10:00:00"}"#,
            r#"{"at":"2025-03-02T07:00:00-03:00"}"#,
            r#"{"at":1740909600}"#,
            r#"{"at":1740909600.0}"#,
            r#"{"at":1740909600000}"#,
        ] {
            assert_eq!(at(json).unwrap(), Some(1_740_909_600), "{json}");
        }
        for json in [r#"{"at":null}"#, "{}"] {
            assert_eq!(at(json).unwrap(), None, "{json}");
        }
        for json in [r#"{"at":"soon"}"#, r#"{"at":20250302}"#, r#"{"at":true}"#, r#"{"at":{}}"#] {
            assert!(at(json).unwrap_err().to_string().contains("like 2024-01-31T12:00:00Z"), "{json}");
        }
    }
}
