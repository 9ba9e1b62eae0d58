//! Services and settings shared by the stages of a run.

use aprendiz_artifacts::Store;
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::config::WorkerConfig;

/// The configuration, the database and the object store.
pub(crate) struct Deps {
    pub(crate) config: WorkerConfig,
    pub(crate) pool: PgPool,
    pub(crate) store: Store,
}

impl Deps {
    /// Options for a dedicated connection, for long statements. Postgres aborts the statement soon after this side disconnects,
    /// whether it was cancelled or killed, instead of when it sends its result.
    pub(crate) fn dedicated_connection(&self, application_name: &str) -> PgConnectOptions {
        let idle_timeout = self.config.lease.as_millis().to_string();
        let session = [("client_connection_check_interval", "500ms"), ("idle_in_transaction_session_timeout", &idle_timeout)];
        self.config.database.options.clone().application_name(application_name).options(session)
    }
}
