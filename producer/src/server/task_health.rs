//! Health of the background tasks of this process, and its report to the database, where every server sees it.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aprendiz_db::{Database, WarnOnce};
use aprendiz_runs::{BackgroundTask, RunsError, TaskReport, report_task};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Interval of the reports while nothing changes. Far below the time after which a task counts as overdue.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Health of one background task of this process; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TaskHealth {
    task: BackgroundTask,
    overdue_after: Duration,
    state: Arc<Mutex<TaskState>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct TaskState {
    succeeded_at: Option<Instant>,
    failure: Option<TaskFailure>,
}

/// A failure that lasts.
#[derive(Debug, Clone)]
pub(crate) struct TaskFailure {
    /// When the task began to fail.
    pub(crate) since: Instant,
    /// The latest error.
    pub(crate) error: String,
}

impl TaskHealth {
    /// `changed` is notified when the report should not wait for its interval.
    pub(crate) fn new(task: BackgroundTask, overdue_after: Duration, changed: &Arc<Notify>) -> Self {
        Self { task, overdue_after, state: Arc::default(), changed: Arc::clone(changed) }
    }

    /// A health that is not reported.
    #[cfg(test)]
    pub(crate) fn for_tests(task: BackgroundTask) -> Self {
        Self::new(task, Duration::from_secs(30), &Arc::default())
    }

    pub(crate) const fn task(&self) -> BackgroundTask {
        self.task
    }

    /// Time without a success after which the task counts as overdue.
    pub(crate) const fn overdue_after(&self) -> Duration {
        self.overdue_after
    }

    /// Records a successful round.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        let is_first = state.succeeded_at.replace(Instant::now()).is_none();
        if state.failure.take().is_some() || is_first {
            self.changed.notify_one();
        }
    }

    /// Records a failed round, or a failure to begin one.
    pub(crate) fn failed(&self, error: &impl Display) {
        let mut state = self.state();
        let since = match &state.failure {
            Some(failure) => failure.since,
            None => Instant::now(),
        };
        state.failure = Some(TaskFailure { since, error: error.to_string() });
        self.changed.notify_one();
    }

    /// Records that the task no longer fails, although it executed no round: another server is the leader.
    pub(crate) fn recovered(&self) {
        self.state().failure = None;
    }

    /// Why the task fails at present.
    pub(crate) fn failure(&self) -> Option<TaskFailure> {
        self.state().failure.clone()
    }

    fn report(&self) -> Option<TaskReport> {
        let state = self.state();
        let success_age = state.succeeded_at.map(|at| at.elapsed());
        let error = state.failure.as_ref().map(|failure| failure.error.clone());
        let is_worth_reporting = success_age.is_some() || error.is_some();
        is_worth_reporting.then_some(TaskReport { task: self.task, overdue_after: self.overdue_after, success_age, error })
    }

    fn state(&self) -> MutexGuard<'_, TaskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the health of the tasks until shutdown, through the pool of the API: a task that cannot connect is reported as well.
pub(crate) async fn report(database: Database, tasks: Vec<TaskHealth>, changed: Arc<Notify>, shutdown: CancellationToken) {
    let mut warned = WarnOnce::default();
    while !shutdown.is_cancelled() {
        match shutdown.run_until_cancelled(write_reports(&database, &tasks)).await {
            Some(Err(error)) if warned.is_new(&error) => warn!(%error, "cannot record when the background tasks last succeeded"),
            Some(Ok(())) => {
                warned.clear();
            }
            _ => {}
        }
        shutdown.run_until_cancelled(timeout(REPORT_INTERVAL, changed.notified())).await;
    }
}

async fn write_reports(database: &Database, tasks: &[TaskHealth]) -> Result<(), RunsError> {
    let reports: Vec<TaskReport> = tasks.iter().filter_map(TaskHealth::report).collect();
    if reports.is_empty() {
        return Ok(());
    }
    let mut tx = database.begin().await?;
    for report in &reports {
        report_task(&mut tx, report).await?;
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_lasts_from_its_first_error_to_the_next_success() {
        let health = TaskHealth::for_tests(BackgroundTask::Reaper);
        assert!(health.report().is_none());
        health.failed(&"refused");
        let first = health.failure().unwrap();
        health.failed(&"timed out");
        let second = health.failure().unwrap();
        assert_eq!((second.since, second.error.as_str()), (first.since, "timed out"));
        let report = health.report().unwrap();
        assert_eq!((report.success_age, report.error.as_deref()), (None, Some("timed out")));
        health.succeeded();
        let report = health.report().unwrap();
        assert!(report.success_age.is_some() && report.error.is_none(), "{report:?}");
        assert!(health.failure().is_none());
    }
}
