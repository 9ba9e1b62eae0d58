//! Extractors named after roles.
//!
//! A key that is limited to projects is refused, unless the handler takes the extractor within [`InScope`], which hands out the scope. So a
//! new route is closed to such keys until its handler applies the scope.

use aprendiz_db::Scope;
use aprendiz_runs::{ApiKey, Role};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;

use crate::api::http::admission::Admission;
use crate::api::http::auth::identity::identify;
use crate::api::http::auth::schemes::{SECURITY_SCHEMES, add_auth_problems};
use crate::api::http::auth::scope::refuse_limited;
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;

/// The API key of the request, whatever its role and its projects, for routes about the key itself.
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

/// A key with a role, as the extractor of that role holds it.
pub(crate) trait RoleKey: Sized {
    const ROLE: Role;

    fn from_key(key: ApiKey) -> Self;
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident { $($actor:ident)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name $((pub(crate) $actor))?;

        impl RoleKey for $name {
            const ROLE: Role = Role::$name;

            fn from_key(key: ApiKey) -> Self {
                role!(@build $name key $($actor)?)
            }
        }

        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
                let key = key_with_role(parts, state, Self::ROLE).await?;
                refuse_limited(&key)?;
                Ok(Self::from_key(key))
            }
        }

        impl Describe for $name {
            fn describe(operation: &mut Operation) {
                require_role(operation, Self::ROLE);
                let reason = "`scope`: the API key is limited to projects, and this route is not";
                add_problem(operation, StatusCode::FORBIDDEN, reason);
            }
        }
    };
    (@build $name:ident $found:ident ApiKey) => { $name($found) };
    (@build $name:ident $found:ident) => {{ let _ = $found; $name }};
}

/// A key with a role and what it may see and change. The handler must leave out, and change nothing of, what is out of the scope.
#[derive(Debug, Clone)]
pub(crate) struct InScope<R>(pub(crate) R, pub(crate) Scope);

impl<R: RoleKey> FromRequestParts<AppState> for InScope<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let key = key_with_role(parts, state, R::ROLE).await?;
        let scope = key.scope();
        Ok(Self(R::from_key(key), scope))
    }
}

impl<R: RoleKey> Describe for InScope<R> {
    fn describe(operation: &mut Operation) {
        require_role(operation, R::ROLE);
        if R::ROLE > Role::Viewer {
            let reason = "`scope`: the request leaves the projects that the API key is limited to";
            add_problem(operation, StatusCode::FORBIDDEN, reason);
        }
    }
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
