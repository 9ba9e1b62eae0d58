//! The spec of a run within the scope of the request: which documents it reads, under which name it publishes, what it starts from.

use aprendiz_db::Scope;
use aprendiz_run_spec::{BaseModelName, RunKind, RunSpec};
use aprendiz_runs::{is_model_in_scope, is_model_name_in_scope};
use serde_json::Value;
use sqlx::PgConnection;

use crate::api::http::auth::scope::{named, refused, require_project};
use crate::api::http::error::ApiError;

/// Parameter of kind `predict` with the projects whose documents are predicted.
const PREDICTED_PROJECTS: &str = "projects";

/// Limits a spec to the projects of the scope. A key for one project need not name it; the response has the spec with its name.
pub(super) async fn limit_spec(conn: &mut PgConnection, scope: &Scope, spec: &mut RunSpec) -> Result<(), ApiError> {
    let Some(projects) = scope.projects() else { return Ok(()) };
    if spec.kind == RunKind::Predict {
        limit_predicted(scope, projects, spec)?;
    } else {
        limit_filter(scope, projects, spec)?;
    }
    let model = spec.model.as_str();
    if !is_model_name_in_scope(conn, scope, model).await? {
        return Err(refused(format!(
            "the model name `{model}` is in use outside of what the API key is limited to, {}: choose another name",
            named(scope)
        )));
    }
    // an invalid name is reported by the validation of the spec
    let base_model = spec.base_model.as_deref().and_then(|name| name.parse().ok());
    match base_model {
        Some(BaseModelName::Version(model, number)) if !is_model_in_scope(conn, scope, model.as_str()).await? => {
            Err(ApiError::unprocessable("unknown_base_model", format!("model `{model}` has no version {number}")))
        }
        Some(BaseModelName::Bucket { .. } | BaseModelName::Directory(_)) => Err(refused(
            "base_model is a location, which could be that of any model, and the API key is limited to projects: name a published version \
             (`models:/NAME/NUMBER`) or a model on Hugging Face",
        )),
        _ => Ok(()),
    }
}

/// Every other kind reads the documents that its filter selects.
fn limit_filter(scope: &Scope, projects: &[String], spec: &mut RunSpec) -> Result<(), ApiError> {
    match (&spec.data.filter.project, projects) {
        (Some(project), _) => require_project(scope, project),
        (None, [project]) => {
            spec.data.filter.project = Some(project.clone());
            Ok(())
        }
        (None, _) => Err(refused(format!("the API key is limited to {}: name one of them as `data.filter.project`", named(scope)))),
    }
}

fn limit_predicted(scope: &Scope, projects: &[String], spec: &mut RunSpec) -> Result<(), ApiError> {
    let requested = spec.params.get(PREDICTED_PROJECTS).and_then(Value::as_array).filter(|requested| !requested.is_empty());
    match requested {
        Some(requested) => requested.iter().filter_map(Value::as_str).try_for_each(|project| require_project(scope, project)),
        None if projects.is_empty() => Err(refused("the API key is limited to no project: ask an administrator for another key")),
        None => {
            spec.params.insert(PREDICTED_PROJECTS.to_owned(), Value::from(projects.to_vec()));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(projects: &[&str]) -> Scope {
        Scope::Projects(projects.iter().map(|project| (*project).to_owned()).collect())
    }

    fn limited(scope: &Scope, spec: &Value) -> Result<RunSpec, ApiError> {
        let mut spec: RunSpec = serde_json::from_value(spec.clone()).unwrap();
        let projects = scope.projects().unwrap();
        if spec.kind == RunKind::Predict {
            limit_predicted(scope, projects, &mut spec)?;
        } else {
            limit_filter(scope, projects, &mut spec)?;
        }
        Ok(spec)
    }

    #[test]
    fn the_only_project_of_a_key_is_the_default_and_others_are_refused() {
        let spec = limited(&scope(&["a"]), &json!({ "model": "m" })).unwrap();
        assert_eq!(spec.data.filter.project.as_deref(), Some("a"));
        let of_a = json!({ "model": "m", "data": { "filter": { "project": "a" } } });
        assert!(limited(&scope(&["a", "b"]), &of_a).is_ok());
        for (projects, spec) in
            [(&["b"][..], &of_a), (&["a", "b"], &json!({ "model": "m" })), (&[], &json!({ "model": "m" })), (&[], &of_a)]
        {
            assert!(limited(&scope(projects), spec).is_err(), "{projects:?} {spec}");
        }
    }

    #[test]
    fn predictions_are_limited_to_the_projects() {
        let spec = |projects: Value| json!({ "model": "m", "kind": "predict", "model_version": 1, "params": projects });
        for none in [json!({}), json!({ "projects": [] })] {
            let limited = limited(&scope(&["a", "b"]), &spec(none)).unwrap();
            assert_eq!(limited.params["projects"], json!(["a", "b"]));
        }
        assert!(limited(&scope(&["a", "b"]), &spec(json!({ "projects": ["b"] }))).is_ok());
        assert!(limited(&scope(&["a"]), &spec(json!({ "projects": ["a", "b"] }))).is_err());
        assert!(limited(&scope(&[]), &spec(json!({}))).is_err());
    }
}
