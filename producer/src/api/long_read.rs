//! Reads that take as long as the data is large: on a connection of their own, which ends with the request.
//!
//! A connection of the pool would be given back in the middle of an answer when the client goes away, and the server would go on
//! computing an answer that nobody waits for.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::api::error::ApiError;
use crate::api::state::AppState;

/// How to open a connection whose statement Postgres ends soon after the request is dropped.
pub(crate) fn options(state: &AppState) -> PgConnectOptions {
    let options = (*state.pool.connect_options()).clone();
    options.application_name("aprendiz inspect").options([("client_connection_check_interval", "500ms")])
}

/// Opens one.
pub(crate) async fn connect(state: &AppState) -> Result<PgConnection, ApiError> {
    Ok(PgConnection::connect_with(&options(state)).await?)
}
