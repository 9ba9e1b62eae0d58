//! Clones a training run: a new run with the spec of another one, optionally changed.

use aprendiz_run_spec::{RunKind, RunSpec};
use aprendiz_runs::{CreateRun, RunId, TrainingRun, find_run, list_run_documents};
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::api::http::auth::{InScope, Operator};
use crate::api::http::error::{ApiError, Problem};
use crate::api::http::extract::{ApiPath, OptionalJsonBody};
use crate::api::http::operation::routes;
use crate::api::http::request_headers::RunHeaders;
use crate::api::json_error;
use crate::api::runs::create::accepted;
use crate::api::runs::validation::validate_spec;
use crate::api::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(clone))
}

/// Changes of the clone against the original run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloneRequest {
    /// JSON merge patch (RFC 7396) of the spec: a key replaces the value of the spec, null resets it to its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    changes: Map<String, Value>,
    /// Reads exactly the data of the original run; false reads the current data.
    #[serde(default = "default_same_data")]
    same_data: bool,
}

const fn default_same_data() -> bool {
    true
}

/// Creates a new run from the spec of another run
///
/// The clone gets the spec with `changes` applied and the selected documents, but neither `run_after` nor the requester of the original.
/// Unlike a retry it is a separate run: the original stays unchanged, whatever its status.
#[utoipa::path(
    post, path = "/v1/training-runs/{id}/clone", tag = "training runs",
    params(("id" = RunId, Path)),
    request_body = CloneRequest,
    responses(
        (status = 200, description = "With `unique`: the equal run that waits or runs", body = TrainingRun, headers(("Location" = String))),
        (status = 202, description = "The new run; Location holds its URL", body = TrainingRun, headers(("Location" = String))),
        (status = 404, description = "Run not found", body = Problem),
        (status = 409, description = "The version to evaluate or to predict with is retired", body = Problem),
        (status = 410, description = "The files of the version to evaluate or to predict with were deleted", body = Problem),
        (status = 422, description = "Invalid spec after the changes; `future_time`: `as_of` is in the future", body = Problem),
    ),
)]
async fn clone(
    State(state): State<AppState>,
    InScope(Operator(actor), scope): InScope<Operator>,
    headers: RunHeaders,
    ApiPath(id): ApiPath<RunId>,
    body: OptionalJsonBody<CloneRequest>,
) -> Result<Response, ApiError> {
    let mut tx = state.database.begin().await?;
    let original = find_run(&mut tx, &scope, id).await?;
    let CloneRequest { changes, same_data } = body.value;
    let documents = list_run_documents(&mut tx, id).await?;
    let spec = patch_spec(original.spec, documents, &Value::Object(changes), same_data)?;
    let spec = validate_spec(&mut tx, &scope, spec).await?;
    let request_sha256 = hex::encode(Sha256::digest(format!("clone {id} {}", body.sha256)));
    let request = CreateRun {
        spec,
        actor: &actor.name,
        on_behalf_of: None,
        idempotency: headers.idempotency(request_sha256),
        dataset_only: original.dataset_only,
        parent_run_id: None,
        position: same_data.then_some(original.position),
        trace_parent: headers.trace_parent(),
        trace_state: headers.trace_state(),
    };
    let created = aprendiz_runs::clone_run(&mut tx, id, request).await?;
    find_run(&mut tx, &scope, created.run.id).await?;
    tx.commit().await?;
    Ok(accepted(created))
}

/// Applies `changes` to the spec of the original run. `run_after` is reset, and without `same_data` also `as_of`; `changes` may set
/// them again.
fn patch_spec(mut spec: Value, documents: Option<Vec<Uuid>>, changes: &Value, same_data: bool) -> Result<RunSpec, ApiError> {
    if same_data && changes.pointer("/data/as_of").is_some() {
        let detail = "`changes.data.as_of` contradicts `same_data`: send `\"same_data\": false` to read another state of the annotations";
        return Err(ApiError::unprocessable("invalid_body", detail));
    }
    // selected documents are stored separately from the spec
    json_patch::merge(&mut spec, &json!({ "run_after": null, "data": { "documents": documents } }));
    if !same_data {
        json_patch::merge(&mut spec, &json!({ "data": { "as_of": null } }));
    }
    if let Some(kind) = changes.get("kind") {
        // the original has all defaults of its own kind, which are no parameters of another one
        let kind: Option<RunKind> = json_error::from_value(kind.clone(), "/changes/kind")?;
        let original: RunSpec = json_error::from_value(spec, "the spec of the original run")?;
        spec = serde_json::to_value(original.with_kind(kind.unwrap_or_default())).map_err(ApiError::internal)?;
    }
    json_patch::merge(&mut spec, changes);
    json_error::from_value(spec, "the spec after the changes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> Value {
        json!({
            "kind": "linear", "model": "m",
            "data": { "fields": ["a"], "documents": null, "filter": {}, "as_of": "2026-01-01T00:00:00Z", "min_support": 5 },
            "params": { "min_df": 2, "l2": 0.5 }, "target_accuracy": 0.9, "seed": 7, "priority": 3, "run_after": "2030-01-01T00:00:00Z",
            "max_attempts": 3, "backend": "auto"
        })
    }

    #[test]
    fn a_clone_without_changes_only_resets_run_after() {
        let document = Uuid::now_v7();
        let spec = patch_spec(original(), Some(vec![document]), &json!({}), true).unwrap();
        let mut expected: RunSpec = serde_json::from_value(original()).unwrap();
        expected.run_after = None;
        expected.data.documents = Some(vec![document]);
        assert_eq!(spec, expected);
    }

    #[test]
    fn changes_are_merged_and_null_restores_the_default() {
        let changes = json!({ "params": { "l2": 0.1 }, "seed": null, "data": { "min_support": 2, "documents": null } });
        let spec = patch_spec(original(), Some(vec![Uuid::now_v7()]), &changes, true).unwrap();
        assert_eq!((spec.seed, spec.data.min_support, spec.data.documents), (42, 2, None));
        assert_eq!(Value::Object(spec.params), json!({ "min_df": 2, "l2": 0.1 }));
    }

    #[test]
    fn without_same_data_the_clone_reads_the_current_data_or_the_given_time() {
        assert_eq!(patch_spec(original(), None, &json!({}), false).unwrap().data.as_of, None);
        let patched = patch_spec(original(), None, &json!({ "data": { "as_of": "2026-02-01T00:00:00Z" } }), false).unwrap();
        assert!(patched.data.as_of.is_some());
        assert!(patch_spec(original(), None, &json!({ "data": { "as_of": "2026-02-01T00:00:00Z" } }), true).is_err());
    }

    #[test]
    fn another_kind_starts_from_its_own_defaults() {
        let changes = json!({ "kind": "sentence-transformer", "params": { "epochs": 2 }, "model": "encoder" });
        let spec = patch_spec(original(), None, &changes, true).unwrap();
        assert_eq!(Value::Object(spec.params.clone()), json!({ "epochs": 2 }));
        let encoder = serde_json::to_value(RunSpec::from(spec.validate().unwrap())).unwrap();
        for kind in [json!("linear"), json!(null)] {
            let spec = patch_spec(encoder.clone(), None, &json!({ "kind": kind }), true).unwrap().validate().unwrap();
            assert_eq!((spec.kind().kind(), spec.kind().base_model()), (RunKind::Linear, None));
        }
        let same = patch_spec(encoder.clone(), None, &json!({ "kind": "sentence-transformer" }), true).unwrap();
        assert_eq!(Value::Object(same.params), encoder["params"]);
        assert!(patch_spec(encoder, None, &json!({ "kind": "forest" }), true).is_err());
    }

    #[test]
    fn unknown_keys_and_missing_required_keys_are_rejected() {
        assert!(patch_spec(original(), None, &json!({ "sede": 1 }), true).is_err());
        assert!(patch_spec(original(), None, &json!({ "model": null }), true).is_err());
    }

    #[test]
    fn merge_follows_the_cases_of_rfc_7396() {
        // from the appendix of RFC 7396
        for (target, patch, expected) in [
            (json!({ "a": "b" }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": "b" }), json!({ "b": "c" }), json!({ "a": "b", "b": "c" })),
            (json!({ "a": "b", "b": "c" }), json!({ "a": null }), json!({ "b": "c" })),
            (json!({ "a": ["b"] }), json!({ "a": "c" }), json!({ "a": "c" })),
            (json!({ "a": { "b": "c" } }), json!({ "a": { "b": "d", "c": null } }), json!({ "a": { "b": "d" } })),
            (json!({ "a": [{ "b": "c" }] }), json!({ "a": [1] }), json!({ "a": [1] })),
            (json!({ "e": null }), json!({ "a": 1 }), json!({ "e": null, "a": 1 })),
            (json!([1, 2]), json!({ "a": "b", "c": null }), json!({ "a": "b" })),
            (json!({}), json!({ "a": { "bb": { "ccc": null } } }), json!({ "a": { "bb": {} } })),
        ] {
            let mut changed = target.clone();
            json_patch::merge(&mut changed, &patch);
            assert_eq!(changed, expected, "{target} by {patch}");
        }
    }
}
