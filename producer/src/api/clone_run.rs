//! A new run made after another one.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use runs::{CreateRun, RunId, RunSpec, TrainingRun, documents_of, get_run};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::auth::Operator;
use crate::api::error::{ApiError, Problem};
use crate::api::extract::{OptionalJsonBody, Segments};
use crate::api::merge_patch::merge_patch;
use crate::api::run_request::{check_spec, idempotency_key, trace_parent};
use crate::api::state::AppState;
use crate::api::training_runs::accepted;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(clone))
}

/// What the new run does differently.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloneRequest {
    /// JSON merge patch (RFC 7396) on the spec: keys that it names are changed, null takes one back to its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    changes: Map<String, Value>,
    /// Read exactly what the other run read; false reads what there is now.
    #[serde(default = "yes")]
    same_data: bool,
}

const fn yes() -> bool {
    true
}

/// Makes a new run after another one
///
/// It takes over the spec, with `changes`, and the chosen documents, but neither `run_after` nor the name of who asked. Unlike a
/// retry it is a run of its own, and the other one stays what it is, whatever its status.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/clone", tag = "training runs", security(("api_key" = ["operator"])),
    params(
        ("id" = RunId, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same run; another body is refused"),
    ),
    request_body(content = Option<CloneRequest>, description = "May be left out"),
    responses(
        (status = 202, description = "The new run; its address is in Location", body = TrainingRun, headers(("Location" = String))),
        (status = 404, description = "No such run", body = Problem),
        (status = 422, description = "The changed spec cannot be run", body = Problem),
    ),
)]
async fn clone(
    State(state): State<AppState>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Segments(id): Segments<RunId>,
    body: OptionalJsonBody<CloneRequest>,
) -> Result<Response, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let origin = get_run(&mut conn, id).await?;
    let CloneRequest { changes, same_data } = body.value;
    let documents = documents_of(&mut conn, id).await?;
    let spec = changed_spec(origin.spec, documents, &Value::Object(changes), same_data)?;
    check_spec(&mut conn, &spec).await?;
    let asked = hex::encode(Sha256::digest(format!("clone {id} {}", body.sha256)));
    let request = CreateRun {
        spec,
        actor: &actor.0,
        on_behalf_of: None,
        idempotency: idempotency_key(&headers)?.map(|key| (key, asked)),
        dataset_only: origin.dataset_only,
        parent_run_id: None,
        position: same_data.then_some(origin.position),
        trace_parent: trace_parent(&headers),
    };
    Ok(accepted(runs::clone_run(&mut conn, id, request).await?))
}

/// The spec of the new run. It starts as soon as it can, and without `same_data` it reads what there is now, unless the changes
/// say otherwise.
fn changed_spec(mut spec: Value, documents: Option<Vec<Uuid>>, changes: &Value, same_data: bool) -> Result<RunSpec, ApiError> {
    if same_data && changes.pointer("/data/as_of").is_some() {
        let detail = "`changes.data.as_of` contradicts `same_data`: send `\"same_data\": false` to read another state of the annotations";
        return Err(ApiError::unprocessable("invalid_body", detail));
    }
    // chosen documents are kept apart from the spec
    merge_patch(&mut spec, &json!({ "run_after": null, "data": { "documents": documents } }));
    if !same_data {
        merge_patch(&mut spec, &json!({ "data": { "as_of": null } }));
    }
    merge_patch(&mut spec, changes);
    serde_json::from_value(spec).map_err(|error| ApiError::unprocessable("invalid_body", format!("the changed spec: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Value {
        json!({
            "kind": "linear", "model": "m", "data": { "fields": ["a"], "documents": null, "filter": {}, "as_of": "2026-01-01T00:00:00Z", "min_support": 5 },
            "params": { "min_df": 2, "l2": 0.5 }, "target_accuracy": 0.9, "seed": 7, "priority": 3, "run_after": "2030-01-01T00:00:00Z",
            "max_attempts": 3, "backend": "auto"
        })
    }

    #[test]
    fn a_clone_without_changes_differs_in_its_time_only() {
        let document = Uuid::now_v7();
        let spec = changed_spec(origin(), Some(vec![document]), &json!({}), true).unwrap();
        let mut expected: RunSpec = serde_json::from_value(origin()).unwrap();
        expected.run_after = None;
        expected.data.documents = Some(vec![document]);
        assert_eq!(spec, expected);
    }

    #[test]
    fn changes_are_merged_and_null_takes_the_default() {
        let changes = json!({ "params": { "l2": 0.1 }, "seed": null, "data": { "min_support": 2, "documents": null } });
        let spec = changed_spec(origin(), Some(vec![Uuid::now_v7()]), &changes, true).unwrap();
        assert_eq!((spec.seed, spec.data.min_support, spec.data.documents), (42, 2, None));
        assert_eq!(Value::Object(spec.params), json!({ "min_df": 2, "l2": 0.1 }));
    }

    #[test]
    fn fresh_data_is_that_of_now_or_of_the_asked_time() {
        assert_eq!(changed_spec(origin(), None, &json!({}), false).unwrap().data.as_of, None);
        let asked = changed_spec(origin(), None, &json!({ "data": { "as_of": "2026-02-01T00:00:00Z" } }), false).unwrap();
        assert!(asked.data.as_of.is_some());
        assert!(changed_spec(origin(), None, &json!({ "data": { "as_of": "2026-02-01T00:00:00Z" } }), true).is_err());
    }

    #[test]
    fn an_unknown_key_is_named() {
        assert!(changed_spec(origin(), None, &json!({ "sede": 1 }), true).is_err());
        assert!(changed_spec(origin(), None, &json!({ "model": null }), true).is_err());
    }
}
