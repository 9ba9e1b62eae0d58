//! What is checked before a run is created: the spec against itself, its parameters, and what it names against the database.

use axum::http::HeaderMap;
use inference::{LinearParams, SentenceTransformerParams};
use runs::{BaseModelName, RunKind, RunSpec, find_version};
use serde_json::Value;
use sqlx::PgConnection;

use crate::api::error::ApiError;

/// Unknown documents listed in an error.
const LISTED: usize = 10;
const MAX_IDEMPOTENCY_KEY: usize = 200;

/// Refuses a spec that no worker could run, naming what is wrong with it.
pub(crate) async fn check_spec(conn: &mut PgConnection, spec: &RunSpec) -> Result<(), ApiError> {
    spec.validate()?;
    let params = Value::Object(spec.params.clone());
    let parsed = match spec.kind {
        RunKind::Linear => LinearParams::parse(&params).map(drop),
        RunKind::SentenceTransformer => SentenceTransformerParams::parse(&params).map(drop),
        _ => Ok(()),
    };
    parsed.map_err(|reason| ApiError::unprocessable("bad_params", reason))?;
    if spec.kind != RunKind::Evaluate {
        check_kind_of_model(conn, spec).await?;
    }
    if spec.kind == RunKind::SentenceTransformer {
        check_base_model(conn, spec).await?;
    }
    if !spec.data.fields.is_empty() {
        check_fields(conn, &spec.data.fields).await?;
    }
    if let Some(documents) = &spec.data.documents {
        let missing = annotations::documents::missing_of(conn, documents).await?;
        if !missing.is_empty() {
            let listed: Vec<String> = missing.iter().take(LISTED).map(ToString::to_string).collect();
            let more = if missing.len() > LISTED { format!(" and {} more", missing.len() - LISTED) } else { String::new() };
            return Err(ApiError::unprocessable("unknown_document", format!("no such document: {}{more}", listed.join(", "))));
        }
    }
    Ok(())
}

/// Encoders and models that answer do not share a name: whoever asks for the newest version expects one or the other.
async fn check_kind_of_model(conn: &mut PgConnection, spec: &RunSpec) -> Result<(), ApiError> {
    let Some(newest) = find_version(conn, spec.model.as_str(), None).await? else { return Ok(()) };
    if is_encoder(&newest.card) == (spec.kind == RunKind::SentenceTransformer) {
        return Ok(());
    }
    let found = newest.card["kind"].as_str().unwrap_or("another");
    let detail = format!("the versions of model `{}` are of kind `{found}`: name another model for kind `{}`", spec.model, spec.kind);
    Err(ApiError::unprocessable("model_kind_differs", detail))
}

/// Whether the card of a version is that of an encoder, which has vectors and no answers.
pub(crate) fn is_encoder(card: &Value) -> bool {
    card["kind"] == RunKind::SentenceTransformer.as_str()
}

/// A version of this installation must be there already; anything else only the worker can look for.
async fn check_base_model(conn: &mut PgConnection, spec: &RunSpec) -> Result<(), ApiError> {
    let BaseModelName::Version(model, number) = spec.base_model()? else { return Ok(()) };
    match find_version(conn, model.as_str(), Some(number)).await? {
        Some(version) if is_encoder(&version.card) => Ok(()),
        Some(_) => {
            let detail = format!("{model} version {number} is no sentence transformer: `aprendiz model list` shows which models are");
            Err(ApiError::unprocessable("unknown_base_model", detail))
        }
        None => Err(ApiError::unprocessable("unknown_base_model", format!("there is no version {number} of model `{model}`"))),
    }
}

async fn check_fields(conn: &mut PgConnection, wanted: &[String]) -> Result<(), ApiError> {
    let known = annotations::fields::list(conn).await?;
    let unknown: Vec<&str> = wanted.iter().map(String::as_str).filter(|name| !known.iter().any(|field| field.name == *name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|field| field.name.as_str()).collect();
    let there_is = if names.is_empty() {
        "there are none yet: import reviewed documents first".to_owned()
    } else {
        format!("known fields are {}", names.join(", "))
    };
    Err(ApiError::unprocessable("unknown_field", format!("unknown field {}: {there_is}", unknown.join(", "))))
}

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) => Ok(Some(key)),
        _ => Err(ApiError::unprocessable(
            "invalid_idempotency_key",
            format!("Idempotency-Key must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"),
        )),
    }
}

/// The W3C trace context of a request, if it is well-formed.
pub(crate) fn trace_parent(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let good = value.len() == 55 && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    good.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_trace_context_is_dropped() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
        assert!(trace_parent(&headers).is_some());
        headers.insert("traceparent", "<script>".parse().unwrap());
        assert!(trace_parent(&headers).is_none());
    }

    #[test]
    fn an_idempotency_key_has_bounds() {
        let mut headers = HeaderMap::new();
        assert!(idempotency_key(&headers).unwrap().is_none());
        headers.insert("idempotency-key", "abc".parse().unwrap());
        assert_eq!(idempotency_key(&headers).unwrap(), Some("abc"));
        headers.insert("idempotency-key", "x".repeat(201).parse().unwrap());
        assert!(idempotency_key(&headers).is_err());
    }
}
