//! Connections outside the pool, for reads whose duration grows with the data.
//!
//! When the client disconnects, Postgres ends the statement of such a connection soon afterwards. A pool connection would be
//! returned while its statement goes on running. Their number is limited, in total and per API key.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use aprendiz_db::Session;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use sqlx::PgConnection;
use utoipa::openapi::path::Operation;

use crate::api::http::admission::{Admission, exhausted_error};
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;
use crate::limits::quota::{KeyId, Quota, Share};

/// Maximum idle time inside a transaction; these connections are never idle in one on purpose.
const TRANSACTION_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens dedicated connections for a request. Place it after the role in the arguments of a handler.
pub(crate) struct DedicatedConnections {
    quota: Arc<Quota>,
    key: Option<KeyId>,
    wait: Duration,
    session: Session,
}

/// A dedicated connection, together with its place among them.
pub(crate) struct DedicatedConnection {
    connection: PgConnection,
    _share: Share,
}

impl DedicatedConnections {
    /// Opens a connection. Waits for a free place for a limited time.
    pub(crate) async fn connect(&self) -> Result<DedicatedConnection, ApiError> {
        let share = self.reserve(1).await?;
        Ok(DedicatedConnection { connection: self.session.connect().await?, _share: share })
    }

    /// Reserves places for connections that the caller opens with [`DedicatedConnections::session`].
    pub(crate) async fn reserve(&self, count: u64) -> Result<Share, ApiError> {
        let reserved = self.quota.take(self.key, count, self.wait).await;
        reserved.map_err(|exhausted| exhausted_error("dedicated_connections", "long reads of the database", exhausted))
    }

    /// A session in which Postgres cancels a running statement once the connection is dropped.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }
}

impl FromRequestParts<AppState> for DedicatedConnections {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let admission = Admission::from_extensions(&parts.extensions)?;
        let limits = &state.config.clients;
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let session = state
            .database
            .session("aprendiz inspect")
            .set("client_connection_check_interval", "500ms")
            .set("statement_timeout", milliseconds(limits.statement_timeout))
            .set("idle_in_transaction_session_timeout", milliseconds(TRANSACTION_IDLE_TIMEOUT));
        Ok(Self { quota: Arc::clone(&state.slots.dedicated), key: admission.key(), wait: limits.admission_wait, session })
    }
}

/// The class of the route has the rejections for want of a place: see `limits::describe`.
impl Describe for DedicatedConnections {
    fn describe(operation: &mut Operation) {
        add_problem(operation, StatusCode::SERVICE_UNAVAILABLE, "`timed_out`: a statement in the database took too long");
    }
}

impl Deref for DedicatedConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for DedicatedConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
