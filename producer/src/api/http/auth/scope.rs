//! What a key that is limited to projects is refused.

use aprendiz_db::Scope;
use aprendiz_runs::ApiKey;
use axum::http::StatusCode;

use crate::api::http::error::ApiError;

/// Refuses a key that is limited to projects, on a route that is not.
pub(crate) fn refuse_limited(key: &ApiKey) -> Result<(), ApiError> {
    if key.projects.is_none() {
        return Ok(());
    }
    let detail = format!("API key `{}` is limited to {}, and this route is not: use a key for all projects", key.name, named(&key.scope()));
    Err(refused(detail))
}

/// Refuses to write to a project out of the scope. The request names the project, so the error reveals nothing.
pub(crate) fn require_project(scope: &Scope, project: &str) -> Result<(), ApiError> {
    if scope.contains(project) {
        return Ok(());
    }
    Err(refused(format!("the API key is limited to {}, and `{project}` is another project", named(scope))))
}

/// An error of a request that leaves the scope.
pub(crate) fn refused(detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "scope", detail)
}

/// The projects of a scope in a sentence.
pub(crate) fn named(scope: &Scope) -> String {
    match scope.projects() {
        None => "all projects".to_owned(),
        Some([]) => "no project".to_owned(),
        Some([project]) => format!("the project `{project}`"),
        Some(projects) => format!("the projects `{}`", projects.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_projects_of_the_key() {
        let scope = Scope::Projects(vec!["contracts".to_owned(), "leases".to_owned()]);
        assert!(require_project(&scope, "leases").is_ok() && require_project(&Scope::All, "letters").is_ok());
        let error = require_project(&scope, "letters").unwrap_err();
        assert!(error.detail().contains("`contracts`, `leases`") && error.detail().contains("`letters`"), "{}", error.detail());
        assert_eq!(named(&Scope::Projects(Vec::new())), "no project");
    }
}
