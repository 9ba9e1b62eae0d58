//! Connections outside the pool, for reads whose duration grows with the data.
//!
//! When the client disconnects, Postgres ends the statement of such a connection soon afterwards. A pool connection would be
//! returned while its statement goes on running.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::api::http::error::ApiError;

/// Connect options under which Postgres cancels a running statement once the connection is dropped.
pub(crate) fn options(pool: &PgPool) -> PgConnectOptions {
    let options = (*pool.connect_options()).clone();
    options.application_name("aprendiz inspect").options([("client_connection_check_interval", "500ms")])
}

/// Opens a dedicated connection to the database of the pool.
pub(crate) async fn connect(pool: &PgPool) -> Result<PgConnection, ApiError> {
    Ok(PgConnection::connect_with(&options(pool)).await?)
}
