//! Statistics of the queue: the types that the API returns.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// Number of runs by status, each counted up to 100,000.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunCounts {
    /// Waiting for a worker.
    pub queued: i64,
    /// Executed by a worker.
    pub running: i64,
    /// Waiting for another attempt.
    pub retrying: i64,
    /// Being cancelled while running.
    pub cancelling: i64,
    /// Completed successfully.
    pub succeeded: i64,
    /// Failed for good.
    pub failed: i64,
    /// Cancelled on request.
    pub cancelled: i64,
}

/// Number of workers that are not silent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkerCounts {
    /// Workers alive.
    pub alive: i64,
    /// Workers that receive wake-ups; the others find runs by polling.
    pub listening: i64,
    /// Workers that claim no more runs.
    pub draining: i64,
}

/// Number of slots of workers that are alive.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlotCounts {
    /// All slots, including those of draining workers.
    pub total: i64,
    /// Slots with a run.
    pub busy: i64,
}

/// Number of ended attempts by outcome.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttemptCounts {
    /// Completed their run.
    pub succeeded: i64,
    /// Failed with an error.
    pub failed: i64,
    /// Cancelled on request.
    pub cancelled: i64,
    /// Released by a worker that shut down.
    pub released: i64,
    /// Lost: the worker stopped renewing the lease.
    pub lost: i64,
}

/// Median and 90th percentile of a duration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct DurationQuantiles {
    /// Median, in seconds.
    pub median_seconds: f64,
    /// 90th percentile, in seconds.
    pub p90_seconds: f64,
    /// Number of runs measured.
    pub runs: i64,
}

/// Statistics of the queue at one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueStats {
    /// Time of the statistics, by the database clock.
    pub at: DateTime<Utc>,
    /// Number of runs by status.
    pub runs: RunCounts,
    /// Claimable runs, counted up to 100,000.
    pub runnable: i64,
    /// Runs scheduled for a later time, counted up to 100,000.
    pub deferred: i64,
    /// When the first scheduled run becomes claimable.
    pub next_due_at: Option<DateTime<Utc>>,
    /// Age in seconds of the oldest claimable run; null if there is none.
    pub oldest_runnable_seconds: Option<f64>,
    /// Due wake-ups that are not published in Redis yet, counted up to 100,000.
    pub unpublished: i64,
    /// Workers.
    pub workers: WorkerCounts,
    /// Worker slots.
    pub slots: SlotCounts,
    /// Attempts that ended within the last hour.
    pub attempts_last_hour: AttemptCounts,
    /// Waiting time from creation, or from the requested start, to the first claim. Covers the newest 2,000 runs that ended
    /// within the last 24 hours.
    pub wait: Option<DurationQuantiles>,
    /// Time from the first claim to the end, of the same runs.
    pub duration: Option<DurationQuantiles>,
}
