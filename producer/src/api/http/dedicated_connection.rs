//! Connections outside the pool, for reads whose duration grows with the data.
//!
//! When the client disconnects, Postgres ends the statement of such a connection soon afterwards. A pool connection would be
//! returned while its statement goes on running. Their number is limited, in total and per API key.

use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aprendiz_db::Session;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use sqlx::PgConnection;
use tokio::time::timeout;
use utoipa::openapi::path::Operation;

use crate::api::http::admission::{Admission, exhausted_error};
use crate::api::http::error::ApiError;
use crate::api::http::operation::{Describe, add_problem};
use crate::api::state::AppState;
use crate::limits::quota::{KeyId, Quota, Share};

/// Maximum idle time inside a transaction; these connections are never idle in one on purpose.
const TRANSACTION_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a stream keeps its connection while its client takes nothing.
const MAX_HELD_WAIT: Duration = Duration::from_secs(1);
/// How long a stream that gave its connection back waits for another one.
const RECONNECT_WAIT: Duration = Duration::from_secs(600);

/// Opens dedicated connections for a request, and for the stream of its response. Place it after the role in the arguments of a handler.
#[derive(Clone)]
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
        self.connect_within(self.wait).await
    }

    async fn connect_within(&self, wait: Duration) -> Result<DedicatedConnection, ApiError> {
        let reserved = self.quota.take(self.key, 1, wait).await;
        let share = reserved.map_err(|exhausted| exhausted_error("dedicated_connections", "long reads of the database", exhausted))?;
        Ok(DedicatedConnection { connection: self.session.connect().await?, _share: share })
    }

    /// A session in which Postgres cancels a running statement once the connection is dropped.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }
}

/// The connection of a stream. It is given back while the client makes the server wait, so that slow clients take none from the others.
pub(crate) struct StreamConnection {
    database: DedicatedConnections,
    connection: Option<DedicatedConnection>,
}

impl StreamConnection {
    /// Of a stream that has begun to read.
    pub(crate) const fn new(database: DedicatedConnections, connection: DedicatedConnection) -> Self {
        Self { database, connection: Some(connection) }
    }

    /// The connection. A new one is opened if it was given back.
    pub(crate) async fn get(&mut self) -> io::Result<&mut PgConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.database.connect_within(RECONNECT_WAIT).await.map_err(|error| io::Error::other(error.detail().to_owned()))?,
        };
        Ok(&mut *self.connection.insert(connection))
    }

    /// Waits until the client takes something; not for long with a connection.
    pub(crate) async fn wait_for_client<T>(&mut self, ready: impl Future<Output = T>) -> T {
        let mut ready = pin!(ready);
        if let Ok(taken) = timeout(MAX_HELD_WAIT, ready.as_mut()).await {
            return taken;
        }
        self.connection = None;
        ready.await
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
