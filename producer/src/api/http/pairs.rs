//! Keys and values in a query parameter: `KEY=VALUE`, or a JSON object for several of them.

use std::collections::BTreeMap;

use crate::api::http::error::ApiError;

/// Parses a query parameter of keys and values. `name` is the name of the parameter.
pub(crate) fn parse_pairs(name: &str, text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| {
            let expected = "expected a JSON object whose values are texts, such as {\"client\":\"Acme\"}";
            ApiError::unprocessable("invalid_query", format!("{name}: {expected}: {error}"))
        });
    }
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        _ => Err(ApiError::unprocessable("invalid_query", format!("{name} is `{text}`: expected KEY=VALUE, or a JSON object of several"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pair_or_an_object() {
        let pairs = |text: &str| parse_pairs("tag", text).map(|pairs| pairs.into_iter().collect::<Vec<_>>());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(pairs("a=b=c").unwrap(), [pair("a", "b=c")]);
        assert_eq!(pairs("a=").unwrap(), [pair("a", "")]);
        assert_eq!(pairs(r#"{"b":"1","a":"="}"#).unwrap(), [pair("a", "="), pair("b", "1")]);
        for text in ["", "a", "=b", "{", r#"{"a":1}"#] {
            assert!(pairs(text).is_err(), "{text}");
        }
    }
}
