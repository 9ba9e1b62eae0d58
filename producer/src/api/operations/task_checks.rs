//! Checks whether the background tasks succeed: on any server, and on this one.

use std::time::Duration;

use aprendiz_runs::{BackgroundTask, TaskStatus, list_background_tasks};
use tokio::time::timeout;

use crate::api::operations::check::{Check, HealthState};
use crate::api::state::AppState;
use crate::server::task_health::TaskFailure;

const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Time without a success after which a task counts as overdue that neither this server nor another one has reported about.
const DEFAULT_OVERDUE_AFTER: Duration = Duration::from_secs(60);

/// One check per task; a single one if they cannot be read.
pub(super) async fn task_checks(state: &AppState) -> Vec<Check> {
    let read = async {
        let mut conn = state.database.read().await.ok()?;
        list_background_tasks(&mut conn).await.ok()
    };
    let Ok(Some(statuses)) = timeout(READ_TIMEOUT, read).await else {
        let detail = "the table of the background tasks cannot be read: `aprendiz doctor` shows why".to_owned();
        return vec![Check { name: "tasks", state: HealthState::Degraded, detail: Some(detail) }];
    };
    let users: Vec<&str> = [Some(state.database.user()), state.redis.user()].into_iter().flatten().collect();
    let uptime = state.started_at.elapsed();
    let check = |task: BackgroundTask| {
        let own = state.task_health.iter().find(|health| health.task() == task);
        let facts = TaskFacts {
            task,
            status: statuses.iter().find(|status| status.name == task.as_str()),
            overdue_after: own.map(|health| health.overdue_after()),
            failure: own.and_then(|health| health.failure()),
            uptime,
        };
        facts.check(&users)
    };
    BackgroundTask::ALL.into_iter().map(check).collect()
}

/// What is known of a task.
struct TaskFacts<'a> {
    task: BackgroundTask,
    /// Over all servers; `None` if none has reported.
    status: Option<&'a TaskStatus>,
    /// Limit of this server; `None` if it does not run the task.
    overdue_after: Option<Duration>,
    /// Why the task fails on this server.
    failure: Option<TaskFailure>,
    /// Time since this server started.
    uptime: Duration,
}

impl TaskFacts<'_> {
    fn check(&self, users: &[&str]) -> Check {
        let (name, task) = (self.task.as_str(), self.task);
        let limit = self.status.map(|status| Duration::from_secs_f64(status.overdue_after_seconds)).or(self.overdue_after);
        let limit = limit.unwrap_or(DEFAULT_OVERDUE_AFTER);
        // after a start, the last success may be as old as the stop: the task gets time for its first round, unless it fails
        let had_time = self.failure.is_some() || self.uptime > limit;
        if had_time && self.status.is_none_or(TaskStatus::is_overdue) {
            let age = match self.status.and_then(|status| status.success_age_seconds) {
                Some(age) => format!("no successful round on any server for {age:.0} s"),
                None => "no successful round on any server yet".to_owned(),
            };
            let own = self.failure.as_ref().map(|failure| failure.error.as_str());
            let reason = match own.or_else(|| self.status.and_then(TaskStatus::current_error)) {
                Some(error) => format!(" ({})", without_users(error, users)),
                None if self.overdue_after.is_none() => " (this server does not run the task)".to_owned(),
                None => String::new(),
            };
            return Check::degraded(name, format!("{age}{reason}: {}", task.consequence()));
        }
        match &self.failure {
            Some(failure) if failure.since.elapsed() > limit => {
                let (seconds, error) = (failure.since.elapsed().as_secs(), without_users(&failure.error, users));
                Check::degraded(name, format!("fails on this server for {seconds} s, while another server succeeds: {error}"))
            }
            _ => Check::ok(name),
        }
    }
}

/// Replaces the names of users, because probes need no API key.
fn without_users(error: &str, users: &[&str]) -> String {
    users
        .iter()
        .fold(error.to_owned(), |error, user| error.replace(&format!("\"{user}\""), "\"…\"").replace(&format!("User {user} "), "User … "))
}

#[cfg(test)]
mod tests {
    use aprendiz_queue::RedisFault;
    use tokio::time::Instant;

    use super::*;
    use crate::api::operations::check::HealthState;

    fn status(success_age: f64) -> TaskStatus {
        TaskStatus {
            name: "reaper".to_owned(),
            overdue_after_seconds: 30.0,
            success_age_seconds: Some(success_age),
            failure_age_seconds: Some(1.0),
            error: Some("password authentication failed for user \"ana\"".to_owned()),
        }
    }

    fn facts(status: Option<&TaskStatus>) -> TaskFacts<'_> {
        TaskFacts {
            task: BackgroundTask::Reaper,
            status,
            overdue_after: Some(Duration::from_secs(30)),
            failure: None,
            uptime: Duration::from_secs(3600),
        }
    }

    fn failing() -> Option<TaskFailure> {
        Some(TaskFailure { since: Instant::now(), error: RedisFault::Full.to_string() })
    }

    #[test]
    fn a_standby_follows_the_success_of_the_leader() {
        assert_eq!(facts(Some(&status(2.0))).check(&[]).state, HealthState::Ok);
        let check = facts(Some(&status(45.0))).check(&["ana"]);
        assert_eq!(check.state, HealthState::Degraded);
        let detail = check.detail.unwrap();
        assert!(detail.contains("for 45 s (password authentication failed for user \"…\"): runs of lost workers"), "{detail}");
        assert_eq!(facts(None).check(&[]).state, HealthState::Degraded, "no server has ever succeeded");
    }

    #[test]
    fn a_server_that_has_just_started_gets_time_for_its_first_round() {
        let old = status(3600.0);
        let started = TaskFacts { uptime: Duration::from_secs(5), ..facts(Some(&old)) };
        assert_eq!(started.check(&[]).state, HealthState::Ok);
        let failing = TaskFacts { failure: failing(), ..started };
        assert_eq!(failing.check(&[]).state, HealthState::Degraded);
        assert!(failing.check(&[]).detail.unwrap().contains("Redis is full"));
    }

    #[test]
    fn a_short_failure_on_one_server_is_no_degradation_while_another_succeeds() {
        let recent = status(2.0);
        let failing = TaskFacts { failure: failing(), ..facts(Some(&recent)) };
        assert_eq!(failing.check(&[]).state, HealthState::Ok);
    }
}
