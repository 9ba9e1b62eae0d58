//! Validates a run spec before a run is created: the spec itself, its parameters, and the names in it against the database.

use aprendiz_db::Scope;
use aprendiz_run_spec::{BaseModelName, ModelName, RunKind, RunSpec, SpecError, ValidatedSpec};
use aprendiz_runs::find_version;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::api::http::as_of::check_as_of;
use crate::api::http::error::ApiError;
use crate::api::models::version::{ensure_files, is_encoder};
use crate::api::runs::spec_scope::limit_spec;

/// A hundred years: the latest start of a run from now.
const MAX_DELAY_DAYS: i64 = 36_525;
/// Maximum number of unknown documents listed in an error.
const MAX_LISTED: usize = 10;

/// Rejects a spec that no worker could run, or that leaves the scope; the error names what is wrong.
pub(in crate::api) async fn validate_spec(conn: &mut PgConnection, scope: &Scope, mut spec: RunSpec) -> Result<ValidatedSpec, ApiError> {
    limit_spec(conn, scope, &mut spec).await?;
    check_run_after(spec.run_after, Utc::now())?;
    let spec = spec.validate()?;
    if let Some(kind) = spec.kind().trained_kind() {
        check_model_kind(conn, &spec, kind).await?;
        if let Some(BaseModelName::Version(model, number)) = spec.kind().base_model() {
            check_base_model(conn, model, *number).await?;
        }
    }
    if let Some(number) = spec.kind().used_version() {
        check_used_version(conn, &spec, number).await?;
    }
    if let Some(as_of) = spec.data().as_of {
        check_as_of(conn, as_of).await?;
    }
    if !spec.data().fields.is_empty() {
        check_fields(conn, scope, &spec.data().fields).await?;
    }
    if let Some(documents) = &spec.data().documents {
        check_documents(conn, scope, documents).await?;
    }
    Ok(spec)
}

/// Rejects a start so far away that it can only be a mistake, such as a year with a digit too many: the run would wait for ever.
fn check_run_after(run_after: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), SpecError> {
    match run_after.filter(|at| *at > now + TimeDelta::days(MAX_DELAY_DAYS)) {
        Some(at) => Err(SpecError::OutOfRange { key: "run_after", value: at.to_rfc3339(), rule: "at most a hundred years from now" }),
        None => Ok(()),
    }
}

/// Rejects a model name that already has versions of the other sort. Encoders and predicting models never share a name, because
/// clients that ask for the latest version expect one or the other.
async fn check_model_kind(conn: &mut PgConnection, spec: &ValidatedSpec, kind: RunKind) -> Result<(), ApiError> {
    let model = spec.model();
    let Some(latest) = find_version(conn, model.as_str(), None).await? else { return Ok(()) };
    if is_encoder(&latest.card) == (kind == RunKind::SentenceTransformer) {
        return Ok(());
    }
    let found = latest.card["kind"].as_str().unwrap_or("another");
    let detail = format!("model `{model}` has versions of kind `{found}`: choose another model name for kind `{kind}`");
    Err(ApiError::unprocessable("model_kind_differs", detail))
}

/// Rejects a base model of this installation that does not exist. Any other base model can only be looked up by the worker.
async fn check_base_model(conn: &mut PgConnection, model: &ModelName, number: i32) -> Result<(), ApiError> {
    match find_version(conn, model.as_str(), Some(number)).await? {
        Some(version) if is_encoder(&version.card) => ensure_files(&version),
        Some(_) => {
            let detail = format!("model `{model}` version {number} is not a sentence transformer: `aprendiz model list` shows the kinds");
            Err(ApiError::unprocessable("unknown_base_model", detail))
        }
        None => Err(ApiError::unprocessable("unknown_base_model", format!("model `{model}` has no version {number}"))),
    }
}

/// Rejects a version that the run cannot evaluate or predict with. The worker checks it again, because the version may change while the run
/// waits.
async fn check_used_version(conn: &mut PgConnection, spec: &ValidatedSpec, number: i32) -> Result<(), ApiError> {
    let model = spec.model();
    let predicts = spec.kind().kind() == RunKind::Predict;
    let Some(version) = find_version(&mut *conn, model.as_str(), Some(number)).await? else {
        let hint = match find_version(conn, model.as_str(), None).await? {
            Some(latest) => format!("the latest is {}", latest.number),
            None => "it has no published version; `aprendiz model list` shows the models".to_owned(),
        };
        return Err(ApiError::unprocessable("unknown_version", format!("model `{model}` has no version {number}: {hint}")));
    };
    ensure_files(&version)?;
    if version.retired_at.is_some() {
        let detail = format!("model `{model}` version {number} is retired and answers nothing: choose another version");
        return Err(ApiError::conflict("version_retired", detail));
    }
    let kind = version.card["kind"].as_str().unwrap_or("unknown");
    if predicts {
        if is_encoder(&version.card) {
            let detail =
                format!("model `{model}` version {number} is of kind `{kind}`, which predicts no field: choose a version of another model");
            return Err(ApiError::unprocessable("kind_not_predicted", detail));
        }
    } else if is_encoder(&version.card) {
        let detail = format!(
            "model `{model}` version {number} is of kind `{kind}`, which predicts no field: only versions that predict fields are evaluated"
        );
        return Err(ApiError::unprocessable("kind_not_evaluated", detail));
    }
    Ok(())
}

async fn check_fields(conn: &mut PgConnection, scope: &Scope, requested: &[String]) -> Result<(), ApiError> {
    let known = aprendiz_annotations::fields::list(conn, scope).await?;
    let unknown: Vec<&str> = requested.iter().map(String::as_str).filter(|name| !known.iter().any(|field| field.name == *name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|field| field.name.as_str()).collect();
    let hint = if names.is_empty() {
        "no fields exist yet; import reviewed documents first".to_owned()
    } else {
        format!("known fields are {}", names.join(", "))
    };
    Err(ApiError::unprocessable("unknown_field", format!("unknown field {}: {hint}", unknown.join(", "))))
}

async fn check_documents(conn: &mut PgConnection, scope: &Scope, documents: &[Uuid]) -> Result<(), ApiError> {
    let missing = aprendiz_annotations::documents::unknown_ids(conn, scope, documents).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let listed: Vec<String> = missing.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    let more = if missing.len() > MAX_LISTED { format!(" and {} more", missing.len() - MAX_LISTED) } else { String::new() };
    Err(ApiError::unprocessable("unknown_document", format!("documents not found: {}{more}", listed.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_starts_within_a_hundred_years() {
        let now: DateTime<Utc> = "2026-11-21T08:00:00Z".parse().unwrap();
        for (at, is_valid) in [("1999-01-01T00:00:00Z", true), ("2126-11-20T00:00:00Z", true), ("2126-12-01T00:00:00Z", false)] {
            assert_eq!(check_run_after(Some(at.parse().unwrap()), now).is_ok(), is_valid, "{at}");
        }
        let error = check_run_after(Some("9999-01-01T00:00:00Z".parse().unwrap()), now).unwrap_err().to_string();
        assert!(error.contains("run_after") && error.contains("9999") && error.contains("a hundred years"), "{error}");
        assert!(check_run_after(None, now).is_ok());
    }
}
