//! Background tasks of the servers: when each last succeeded, and why it last failed.
//!
//! Some tasks run on one server at a time. Every server reports its successes into one row per task, so all of them, and those that only
//! stand by, see when the task last succeeded anywhere.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// Length limit of an error text, in characters.
const MAX_ERROR_CHARS: usize = 2_000;

/// A task that servers repeat in rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackgroundTask {
    /// Publishes wake-ups; every server runs one.
    Relay,
    /// Reclaims runs of lost workers; one server at a time.
    Reaper,
    /// Deletes unreferenced objects, and sessions that have ended; one server at a time.
    Sweeper,
    /// Executes background imports; every server runs one.
    ImportWorker,
    /// Promotes versions that pass the gate; one server at a time.
    Promoter,
    /// Compares challengers with champions; every server runs one.
    Shadow,
}

impl BackgroundTask {
    /// All tasks.
    pub const ALL: [Self; 6] = [Self::Relay, Self::Reaper, Self::Sweeper, Self::ImportWorker, Self::Promoter, Self::Shadow];

    /// The name in the database, in probes and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Reaper => "reaper",
            Self::Sweeper => "sweeper",
            Self::ImportWorker => "import_worker",
            Self::Promoter => "promoter",
            Self::Shadow => "shadow",
        }
    }

    /// What does not happen while the task does not succeed.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::Relay => "wake-ups are not published, so runs start only when workers poll",
            Self::Reaper => "runs of lost workers are not reclaimed",
            Self::Sweeper => "unreferenced objects stay in the bucket, and ended sessions in their table",
            Self::ImportWorker => "background imports wait",
            Self::Promoter => "versions are not promoted automatically",
            Self::Shadow => "challengers are not compared with champions",
        }
    }
}

/// What one server reports about a task. Times are ages, because the clock of the database decides.
#[derive(Debug, Clone)]
pub struct TaskReport {
    /// The task.
    pub task: BackgroundTask,
    /// Time without a success after which the task counts as overdue.
    pub overdue_after: Duration,
    /// Time since the last success on this server; `None` if there was none.
    pub success_age: Option<Duration>,
    /// Why the task fails on this server at present.
    pub error: Option<String>,
}

/// State of a task over all servers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TaskStatus {
    /// Name of the task.
    pub name: String,
    /// Time in seconds without a success after which the task counts as overdue.
    pub overdue_after_seconds: f64,
    /// Seconds since the last success; null if there was none.
    pub success_age_seconds: Option<f64>,
    /// Seconds since a server last found the task failing; null if it never failed.
    pub failure_age_seconds: Option<f64>,
    /// Text of the last failure.
    pub error: Option<String>,
}

impl TaskStatus {
    /// Whether no server has succeeded for too long.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.success_age_seconds.is_none_or(|age| age > self.overdue_after_seconds)
    }

    /// The text of a failure that is newer than the last success.
    #[must_use]
    pub fn current_error(&self) -> Option<&str> {
        let is_newer = match (self.failure_age_seconds, self.success_age_seconds) {
            (Some(failed), Some(succeeded)) => failed < succeeded,
            (failed, _) => failed.is_some(),
        };
        self.error.as_deref().filter(|_| is_newer)
    }
}

/// Records what a server reports. A success that another server reported later is kept.
///
/// # Errors
/// When Postgres does not answer.
pub async fn report_task(conn: &mut PgConnection, report: &TaskReport) -> Result<(), RunsError> {
    let error: Option<String> = report.error.as_ref().map(|text| text.chars().take(MAX_ERROR_CHARS).collect());
    sqlx::query!(
        r#"
        INSERT INTO background_tasks AS t (name, overdue_after_seconds, succeeded_at, failed_at, error)
        VALUES (
            $1, $2, statement_timestamp() - make_interval(secs => $3::float8),
            CASE WHEN $4::text IS NOT NULL THEN statement_timestamp() END, $4
        )
        ON CONFLICT (name) DO UPDATE SET
            overdue_after_seconds = excluded.overdue_after_seconds,
            succeeded_at = greatest(t.succeeded_at, excluded.succeeded_at),
            failed_at = coalesce(excluded.failed_at, t.failed_at),
            error = coalesce(excluded.error, t.error)
        "#,
        report.task.as_str(),
        report.overdue_after.as_secs_f64(),
        report.success_age.map(|age| age.as_secs_f64()),
        error.filter(|text| !text.is_empty())
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists the tasks that a server has reported about.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_background_tasks(conn: &mut PgConnection) -> Result<Vec<TaskStatus>, RunsError> {
    let tasks = sqlx::query_as!(
        TaskStatus,
        r#"
        SELECT name, overdue_after_seconds,
            extract(epoch FROM statement_timestamp() - succeeded_at)::float8 AS success_age_seconds,
            extract(epoch FROM statement_timestamp() - failed_at)::float8 AS failure_age_seconds,
            error
        FROM background_tasks
        ORDER BY name
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use aprendiz_test_support::TestDatabase;

    use super::*;

    fn report(success_age: Option<u64>, error: Option<&str>) -> TaskReport {
        TaskReport {
            task: BackgroundTask::Reaper,
            overdue_after: Duration::from_secs(30),
            success_age: success_age.map(Duration::from_secs),
            error: error.map(str::to_owned),
        }
    }

    async fn read(conn: &mut PgConnection) -> TaskStatus {
        let mut tasks = list_background_tasks(conn).await.unwrap();
        assert_eq!(tasks.len(), 1);
        tasks.remove(0)
    }

    #[tokio::test]
    async fn the_latest_success_of_any_server_counts() {
        let database = TestDatabase::create().await;
        let mut conn = database.pool().acquire().await.unwrap();
        assert!(list_background_tasks(&mut conn).await.unwrap().is_empty());
        report_task(&mut conn, &report(None, Some("no connection"))).await.unwrap();
        let task = read(&mut conn).await;
        assert!(task.is_overdue() && task.current_error() == Some("no connection"), "{task:?}");

        report_task(&mut conn, &report(Some(3600), None)).await.unwrap();
        let task = read(&mut conn).await;
        assert!(task.is_overdue() && task.success_age_seconds.is_some_and(|age| age >= 3600.0), "{task:?}");
        assert_eq!(task.current_error(), Some("no connection"));

        // another server succeeds now, and the first one reports its old success again
        report_task(&mut conn, &report(Some(0), None)).await.unwrap();
        report_task(&mut conn, &report(Some(3600), None)).await.unwrap();
        let task = read(&mut conn).await;
        assert!(!task.is_overdue() && task.current_error().is_none(), "{task:?}");
        assert_eq!(task.error.as_deref(), Some("no connection"));
    }
}
