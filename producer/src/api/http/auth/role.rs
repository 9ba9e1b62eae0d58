//! Extractors named after roles.

use aprendiz_runs::{ApiKey, Role};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::api::http::admission::Admission;
use crate::api::http::auth::identity::identify;
use crate::api::http::auth::schemes::{SECURITY_SCHEMES, add_auth_problems};
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;

/// The API key of the request, whatever its role.
#[derive(Debug, Clone)]
pub(crate) struct CurrentKey(pub(crate) ApiKey);

impl FromRequestParts<AppState> for CurrentKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        key_with_role(parts, state, Role::Viewer).await.map(Self)
    }
}

impl Describe for CurrentKey {
    fn describe(operation: &mut Operation) {
        require_role(operation, Role::Viewer);
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident { $($actor:ident)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name $((pub(crate) $actor))?;

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                let actor = key_with_role(parts, state, Role::$name).await?;
                Ok(role!(@build $name actor $($actor)?))
            }
        }

        impl Describe for $name {
            fn describe(operation: &mut Operation) {
                require_role(operation, Role::$name);
            }
        }
    };
    (@build $name:ident $found:ident ApiKey) => { $name($found) };
    (@build $name:ident $found:ident) => {{ let _ = $found; $name }};
}

role!(
    /// Reads, downloads, predicts. Reads are not audited, so the extractor holds no actor.
    Viewer {}
);
role!(
    /// Also imports, annotates and declares fields.
    Reviewer { ApiKey }
);
role!(
    /// Also creates, cancels and retries runs.
    Operator { ApiKey }
);

role!(
    /// Also reads the audit log and erases documents.
    Admin { ApiKey }
);

/// Describes an operation that needs a key with this role.
fn require_role(operation: &mut Operation, role: Role) {
    operation.security = Some(SECURITY_SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [role.to_string()])).to_vec());
    // every key has at least the lowest role, which changes nothing
    if role > Role::Viewer {
        add_problem(operation, StatusCode::FORBIDDEN, &format!("`forbidden`: the API key lacks the role {role}"));
    }
    add_auth_problems(operation);
    if role > Role::Viewer {
        let reason = "`database_conflict`: a concurrent request changed the same rows, and nothing was changed by this one";
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, reason);
    }
}

async fn key_with_role(parts: &Parts, state: &AppState, needed: Role) -> Result<ApiKey, ApiError> {
    let key = identify(parts, state).await?.into_key();
    if key.role < needed {
        let detail = format!("this route requires the role {needed}; API key `{}` has the role {}", key.name, key.role);
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    Admission::from_extensions(&parts.extensions)?.assign_key(key.id)?;
    Ok(key)
}
