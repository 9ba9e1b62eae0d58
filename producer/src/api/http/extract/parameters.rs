//! Errors about parameters in the path and the query: they name the parameter, its value and what is expected.

use axum::extract::Query;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::Uri;
use serde_json::Value;
use utoipa::openapi::path::Parameter;

use crate::api::http::error::ApiError;

/// Characters of a value that an error repeats.
const MAX_SHOWN_CHARS: usize = 100;
const UUID: &str = "a UUID such as 019aa2c8-0000-7000-8000-000000000000";

/// Explains why the query was not read. `parameters` describes the known ones.
pub(super) fn query_error(rejection: &QueryRejection, uri: &Uri, parameters: &[Parameter]) -> ApiError {
    let (key, message) = cause(rejection);
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return ApiError::unprocessable("invalid_query", format!("unknown query parameter {rest}"));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return ApiError::unprocessable("invalid_query", format!("missing query parameter {name}"));
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return ApiError::unprocessable("invalid_query", format!("query parameter {name} is repeated: send it once"));
    }
    let Some(key) = key else {
        return ApiError::unprocessable("invalid_query", format!("the query cannot be read: {message}"));
    };
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let value = pairs.into_iter().find_map(|(name, value)| (name == key).then_some(value)).unwrap_or_default();
    let parameter = parameters.iter().find(|parameter| parameter.name == key);
    let expected = parameter.and_then(|parameter| expected(&serde_json::to_value(&parameter.schema).unwrap_or_default()));
    invalid("invalid_query", &key, &value, expected.ok_or(message))
}

/// Explains why a parameter in the path was not read. `names` lists all of them in their order.
pub(super) fn path_error(rejection: &PathRejection, names: &[String]) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return ApiError::internal(anyhow::anyhow!("{rejection}"));
    };
    let at = |index: usize| names.get(index).map_or("path", String::as_str);
    match failed.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => invalid("invalid_path", key, value, Ok(rust_number(expected_type))),
        ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
            invalid("invalid_path", at(*index), value, Ok(rust_number(expected_type)))
        }
        ErrorKind::ParseError { value, expected_type } => invalid("invalid_path", at(0), value, Ok(rust_number(expected_type))),
        ErrorKind::DeserializeError { key, value, message } => {
            let expected = if message.contains("UUID") { Ok(UUID.to_owned()) } else { Err(message.clone()) };
            invalid("invalid_path", key, value, expected)
        }
        // a path with a single parameter has no key: ``unknown variant `x`, expected one of `a`, `b```
        ErrorKind::Message(message) => match message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, expected ")) {
            Some((value, expected)) => invalid("invalid_path", at(0), value, Ok(expected.to_owned())),
            None => ApiError::unprocessable("invalid_path", format!("`{}` in the path cannot be read: {message}", at(0))),
        },
        ErrorKind::InvalidUtf8InPathParam { key } => {
            ApiError::unprocessable("invalid_path", format!("`{key}` in the path is not valid UTF-8"))
        }
        _ => ApiError::internal(anyhow::anyhow!("{rejection}")),
    }
}

/// An invalid value: what is expected instead, or else the reason.
fn invalid(code: &'static str, key: &str, value: &str, expected: Result<String, String>) -> ApiError {
    let mut shown: String = value.chars().take(MAX_SHOWN_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    let reason = match expected {
        Ok(expected) => format!("expected {expected}"),
        Err(reason) => reason,
    };
    ApiError::unprocessable(code, format!("`{key}` is `{shown}`: {reason}"))
}

/// The key of the error, if it is about one, and the innermost cause, which has the form `key: cause`.
fn cause(mut error: &(dyn std::error::Error + 'static)) -> (Option<String>, String) {
    while let Some(source) = error.source() {
        error = source;
    }
    let message = error.to_string();
    match message.split_once(": ").filter(|(key, _)| !key.contains([' ', '`'])) {
        Some((key, cause)) => (Some(key.to_owned()), cause.to_owned()),
        None => (None, message),
    }
}

/// What a schema allows, in words; `None` for any text.
fn expected(schema: &Value) -> Option<String> {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return Some(format!("one of {}", values.join(", ")));
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        return alternatives.iter().find_map(expected);
    }
    let types = &schema["type"];
    let is = |name: &str| types == name || types.as_array().is_some_and(|types| types.iter().any(|one| one == name));
    if is("integer") {
        let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        return Some(match (min, max, schema["format"].as_str()) {
            (Some(min), Some(max), _) => format!("a whole number from {min} to {max}"),
            (_, _, Some("int32")) => whole_number(i32::MIN, i32::MAX),
            (_, _, Some("int64")) => whole_number(i64::MIN, i64::MAX),
            _ => whole_number(0, u64::MAX),
        });
    }
    if is("boolean") {
        return Some("`true` or `false`".to_owned());
    }
    if is("number") {
        return Some("a number such as 0.5".to_owned());
    }
    (schema["format"] == "uuid").then(|| UUID.to_owned())
}

/// A number of a Rust type, in words.
fn rust_number(name: &str) -> String {
    match name {
        "i32" => whole_number(i32::MIN, i32::MAX),
        "i64" => whole_number(i64::MIN, i64::MAX),
        "u64" => whole_number(0, u64::MAX),
        "u32" => whole_number(0, u32::MAX),
        "bool" => "`true` or `false`".to_owned(),
        _ => "another value".to_owned(),
    }
}

fn whole_number(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("a whole number from {min} to {max}")
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRequestParts as _;
    use axum::http::Request;
    use serde::Deserialize;
    use utoipa::IntoParams;
    use utoipa::openapi::path::ParameterIn;
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Order {
        NewestFirst,
        Random,
    }

    #[derive(Debug, Deserialize, IntoParams)]
    #[serde(deny_unknown_fields)]
    #[into_params(parameter_in = Query)]
    #[allow(dead_code, reason = "read by the test only as a type")]
    struct Parameters {
        #[param(minimum = 1, maximum = 200)]
        limit: Option<i64>,
        cursor: Option<i32>,
        #[serde(default)]
        files: bool,
        run: Option<Uuid>,
        confidence: Option<f64>,
        #[param(inline)]
        order: Option<Order>,
    }

    fn query(text: &str) -> String {
        let uri: Uri = format!("/?{text}").parse().unwrap();
        let rejection = Query::<Parameters>::try_from_uri(&uri).unwrap_err();
        format!("{:?}", query_error(&rejection, &uri, &Parameters::into_params(|| Some(ParameterIn::Query))))
    }

    #[test]
    fn a_query_parameter_is_named_with_its_value_and_what_is_expected() {
        for (text, detail) in [
            ("limit=x", "`limit` is `x`: expected a whole number from 1 to 200"),
            ("limit=99999999999999999999", "`limit` is `99999999999999999999`: expected a whole number from 1 to 200"),
            ("cursor=2147483648", "`cursor` is `2147483648`: expected a whole number from -2147483648 to 2147483647"),
            ("files=yes", "`files` is `yes`: expected `true` or `false`"),
            ("run=nope", "`run` is `nope`: expected a UUID such as 019aa2c8-0000-7000-8000-000000000000"),
            ("confidence=high", "`confidence` is `high`: expected a number such as 0.5"),
            ("order=oldest", "`order` is `oldest`: expected one of `newest-first`, `random`"),
            ("colour=red", "unknown query parameter `colour`, expected one of `limit`"),
            ("limit=1&limit=2", "query parameter `limit` is repeated"),
        ] {
            let error = query(text);
            assert!(error.contains(detail) && error.contains("invalid_query"), "{text}: {error}");
        }
        let long = query(&format!("limit={}", "é".repeat(1000)));
        assert!(long.contains(&format!("{}…`", "é".repeat(MAX_SHOWN_CHARS))), "{long}");
    }

    async fn path<T: serde::de::DeserializeOwned + Send + std::fmt::Debug + 'static>(route: &'static str, path: &str) -> String {
        use tower::ServiceExt as _;
        let (sender, receiver) = std::sync::mpsc::channel();
        let handler = move |request: axum::extract::Request| async move {
            let (mut parts, _) = request.into_parts();
            let rejection = axum::extract::Path::<T>::from_request_parts(&mut parts, &()).await.unwrap_err();
            let names: Vec<String> = axum::extract::RawPathParams::from_request_parts(&mut parts, &())
                .await
                .map(|all| all.iter().map(|(name, _)| name.to_owned()).collect())
                .unwrap_or_default();
            sender.send(format!("{:?}", path_error(&rejection, &names))).unwrap();
        };
        let router: axum::Router = axum::Router::new().route(route, axum::routing::get(handler));
        router.oneshot(Request::get(path).body(axum::body::Body::empty()).unwrap()).await.unwrap();
        receiver.recv().unwrap()
    }

    #[tokio::test]
    async fn a_parameter_in_the_path_is_named_with_its_value_and_what_is_expected() {
        let error = path::<Uuid>("/runs/{id}", "/runs/nope").await;
        assert!(error.contains("`id` is `nope`: expected a UUID") && error.contains("invalid_path"), "{error}");
        let error = path::<(Uuid, String)>("/runs/{id}/{field}", "/runs/nope/law").await;
        assert!(error.contains("`id` is `nope`: expected a UUID"), "{error}");
        let error = path::<(String, i32)>("/models/{name}/{number}", "/models/m/2147483648").await;
        assert!(error.contains("`number` is `2147483648`: expected a whole number from"), "{error}");
        let error = path::<String>("/models/{name}", "/models/%ff").await;
        assert!(error.contains("`name` in the path is not valid UTF-8"), "{error}");
    }
}
