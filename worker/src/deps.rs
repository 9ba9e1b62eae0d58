//! Services and settings shared by the stages of a run.

use aprendiz_artifacts::Store;
use aprendiz_db::{Database, Session};

use crate::config::WorkerConfig;

/// The configuration, the database and the object store.
pub(crate) struct Deps {
    pub(crate) config: WorkerConfig,
    pub(crate) database: Database,
    pub(crate) store: Store,
}

impl Deps {
    /// A dedicated session, for long statements. Postgres aborts the statement soon after this side disconnects, whether it was cancelled
    /// or killed, instead of when it sends its result.
    pub(crate) fn dedicated_session(&self, application_name: &str) -> Session {
        self.database.session(application_name).set("client_connection_check_interval", "500ms")
    }
}
