//! Connections outside the pool, for reads whose duration grows with the data.
//!
//! When the client disconnects, Postgres ends the statement of such a connection soon afterwards. A pool connection would be
//! returned while its statement goes on running.

use aprendiz_db::{Database, Session};
use sqlx::PgConnection;

use crate::api::http::error::ApiError;

/// A session in which Postgres cancels a running statement once the connection is dropped.
pub(crate) fn session(database: &Database) -> Session {
    database.session("aprendiz inspect").set("client_connection_check_interval", "500ms")
}

/// Opens a dedicated connection to the database.
pub(crate) async fn connect(database: &Database) -> Result<PgConnection, ApiError> {
    Ok(session(database).connect().await?)
}
