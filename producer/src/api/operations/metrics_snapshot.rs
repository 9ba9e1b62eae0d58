//! Metrics of the whole installation, read from Postgres and Redis and cached between scrapes.
//!
//! Each reading has its own recorder, so metrics of an unavailable service are omitted instead of repeating stale values.

use std::time::Duration;

use aprendiz_db::Database;
use aprendiz_runs::{AttemptStatus, BackgroundTask, InstallationStats, RunStatus, TaskStatus, read_installation_stats};
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::api::operations::redis_probe::{RedisProbe, RedisStatus};

/// Timeout of a reading, below the default scrape timeout of Prometheus.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Minimum time for which a reading is cached.
const MIN_CACHE_TIME: Duration = Duration::from_secs(5);
/// A reading is cached for this multiple of the time it took, so readings use at most a twentieth of one connection's time.
const CACHE_TIME_FACTOR: u32 = 20;

const UP: &str = "aprendiz_up";
const QUEUE_DEPTH: &str = "aprendiz_redis_queue_depth";
const RUNS: &str = "aprendiz_runs";
const OLDEST_RUNNABLE: &str = "aprendiz_oldest_runnable_age_seconds";
const OUTBOX: &str = "aprendiz_outbox_waiting";
const WORKERS: &str = "aprendiz_workers";
const SLOTS: &str = "aprendiz_slots";
const ATTEMPTS: &str = "aprendiz_attempts_total";
const TASK_AGE: &str = "aprendiz_background_task_success_age_seconds";
const TASK_OVERDUE: &str = "aprendiz_background_task_overdue";
const HEARTBEAT_AGE: &str = "aprendiz_attempt_heartbeat_age_seconds";

const STATUSES: [RunStatus; 7] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Retrying,
    RunStatus::Cancelling,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];
const OUTCOMES: [AttemptStatus; 5] =
    [AttemptStatus::Succeeded, AttemptStatus::Failed, AttemptStatus::Cancelled, AttemptStatus::Released, AttemptStatus::Lost];

/// The last reading in Prometheus text format, and the time at which it expires.
#[derive(Default)]
pub(crate) struct MetricsSnapshot {
    last: Mutex<Option<(Instant, String)>>,
}

impl MetricsSnapshot {
    /// Returns the metrics of the installation in Prometheus text format. Concurrent scrapes share one reading.
    pub(super) async fn render(&self, database: &Database, redis: &RedisProbe) -> String {
        let mut last = self.last.lock().await;
        if let Some((expires_at, text)) = &*last
            && Instant::now() < *expires_at
        {
            return text.clone();
        }
        let read = async {
            let mut conn = database.read().await.ok()?;
            let started = Instant::now();
            let stats = read_installation_stats(&mut conn).await.ok()?;
            Some((stats, started.elapsed()))
        };
        let (read, redis) = tokio::join!(timeout(READ_TIMEOUT, read), redis.status());
        let (stats, elapsed) = read.ok().flatten().unzip();
        let text = render_metrics(stats.as_ref(), redis);
        // a failed reading is cached for the minimum time only, because the service may be available again
        let cache_time = MIN_CACHE_TIME.max(elapsed.unwrap_or_default() * CACHE_TIME_FACTOR);
        *last = Some((Instant::now() + cache_time, text.clone()));
        text
    }
}

/// Renders the metrics in Prometheus text format; `None` stands for an unavailable service.
pub(in crate::api) fn render_metrics(stats: Option<&InstallationStats>, redis: RedisStatus) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        describe();
        gauge!(UP, "service" => "database").set(f64::from(u8::from(stats.is_some())));
        gauge!(UP, "service" => "redis").set(f64::from(u8::from(redis.fault.is_none())));
        if let Some(depth) = redis.depth {
            gauge!(QUEUE_DEPTH).set(depth as f64);
        }
        if let Some(stats) = stats {
            record(stats);
        }
    });
    recorder.handle().render()
}

fn describe() {
    describe_gauge!(UP, "Whether a service that the server depends on works; 1 if so, 0 if not. Redis must accept writes");
    describe_gauge!(QUEUE_DEPTH, "Wake-ups in Redis that no worker has fetched yet");
    describe_gauge!(RUNS, "Training runs by status");
    describe_gauge!(OLDEST_RUNNABLE, "Age in seconds of the oldest claimable run; 0 if there is none");
    describe_gauge!(OUTBOX, "Wake-ups in the outbox, due or not");
    describe_gauge!(WORKERS, "Worker processes that have not stopped, by state; silent workers sent no heartbeat for 30 seconds");
    describe_gauge!(SLOTS, "Training slots of alive workers: busy ones, and free ones of workers that claim runs");
    describe_counter!(ATTEMPTS, "Ended attempts by outcome");
    describe_gauge!(TASK_AGE, "Time in seconds since a background task last succeeded on any server; missing if it never did");
    describe_gauge!(TASK_OVERDUE, "1 if a background task has not succeeded on any server for several intervals, 0 otherwise");
    describe_gauge!(HEARTBEAT_AGE, "Largest time in seconds since the last heartbeat of a running attempt; 0 if none is running");
}

/// Records the statistics. States without runs are recorded as 0, so that every series always exists.
fn record(stats: &InstallationStats) {
    for status in STATUSES {
        let runs = stats.runs.iter().find(|(found, _)| *found == status).map_or(0, |(_, runs)| *runs);
        gauge!(RUNS, "status" => status.as_str()).set(runs as f64);
    }
    gauge!(OLDEST_RUNNABLE).set(stats.oldest_runnable_seconds.unwrap_or_default());
    gauge!(OUTBOX).set(stats.outbox_waiting as f64);
    for (state, workers) in [("alive", stats.workers_alive), ("draining", stats.workers_draining), ("silent", stats.workers_silent)] {
        gauge!(WORKERS, "state" => state).set(workers as f64);
    }
    for (state, slots) in [("busy", stats.slots_busy), ("free", stats.slots_free)] {
        gauge!(SLOTS, "state" => state).set(slots as f64);
    }
    for outcome in OUTCOMES {
        let attempts = stats.attempts.iter().find(|(found, _)| *found == outcome).map_or(0, |(_, attempts)| *attempts);
        counter!(ATTEMPTS, "outcome" => outcome.as_str()).absolute(u64::try_from(attempts).unwrap_or_default());
    }
    for task in BackgroundTask::ALL {
        let status = stats.background_tasks.iter().find(|status| status.name == task.as_str());
        gauge!(TASK_OVERDUE, "task" => task.as_str()).set(f64::from(u8::from(status.is_none_or(TaskStatus::is_overdue))));
        if let Some(age) = status.and_then(|status| status.success_age_seconds) {
            gauge!(TASK_AGE, "task" => task.as_str()).set(age);
        }
    }
    gauge!(HEARTBEAT_AGE).set(stats.heartbeat_seconds.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use aprendiz_queue::RedisFault;

    use super::*;

    #[test]
    fn metrics_of_an_unavailable_database_are_omitted() {
        let full = RedisStatus { depth: Some(7), fault: Some(RedisFault::Full) };
        let text = render_metrics(None, full);
        assert!(text.contains("aprendiz_up{service=\"redis\"} 0\n") && text.contains("aprendiz_redis_queue_depth 7\n"), "{text}");
        assert!(text.contains("aprendiz_up{service=\"database\"} 0\n"), "{text}");
        assert!(!text.contains("aprendiz_runs"), "{text}");
    }

    #[test]
    fn a_status_without_runs_is_reported_as_zero() {
        let stats = InstallationStats { runs: vec![(RunStatus::Queued, 1_000_000)], ..InstallationStats::default() };
        let text = render_metrics(Some(&stats), RedisStatus { depth: Some(3), fault: None });
        assert!(text.contains("aprendiz_runs{status=\"queued\"} 1000000\n"), "{text}");
        assert!(text.contains("aprendiz_runs{status=\"failed\"} 0\n"), "{text}");
        assert!(text.contains("aprendiz_redis_queue_depth 3\n"), "{text}");
    }
}
