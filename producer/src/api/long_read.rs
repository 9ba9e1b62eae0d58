//! Reads that take as long as the data is large: on a connection of their own, which ends with the request.
//!
//! A connection of the pool would be given back in the middle of an answer when the client goes away, and the server would go on
//! computing an answer that nobody waits for.

use sqlx::{Connection as _, PgConnection};

use crate::api::error::ApiError;
use crate::api::state::AppState;

/// Opens a connection whose statement Postgres ends soon after the request is dropped.
pub(crate) async fn connect(state: &AppState) -> Result<PgConnection, ApiError> {
    let options = (*state.pool.connect_options()).clone();
    let session = [("client_connection_check_interval", "500ms")];
    Ok(PgConnection::connect_with(&options.application_name("aprendiz inspect").options(session)).await?)
}
