//! The expected outcome of each command: a small pure model of runs, attempts and time, without SQL.

use std::collections::BTreeMap;

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{AttemptStatus, RunPhase, RunStatus, RunsError};

use super::command::{AttemptPick, Cause, Files, NewRun, RunPick, Step};

// In minutes. Times of rows differ by minutes from the times at which the model checks them, so a slow machine changes no outcome.
/// Length of a lease.
pub(crate) const LEASE: i64 = 65;
/// Delay of a scheduled run.
pub(crate) const DELAY: i64 = 50;
/// Delay of a retrying run, after the test has lengthened its back-off.
pub(crate) const BACKOFF: i64 = 11;
/// After this time an unclaimed run is published again.
pub(crate) const UNCLAIMED: i64 = 15;

/// Outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Succeeded without changing any row.
    Nothing,
    LeaseLost,
    CancelRequested,
    WrongState,
    UnknownRun,
    IdempotencyMismatch,
    BrokenRow,
}

impl Outcome {
    /// `None` for an error that must never happen, such as a database error.
    pub(crate) const fn of(error: &RunsError) -> Option<Self> {
        match error {
            RunsError::LeaseLost { .. } => Some(Self::LeaseLost),
            RunsError::CancelRequested { .. } => Some(Self::CancelRequested),
            RunsError::WrongState { .. } => Some(Self::WrongState),
            RunsError::UnknownRun(_) => Some(Self::UnknownRun),
            RunsError::IdempotencyMismatch(_) => Some(Self::IdempotencyMismatch),
            RunsError::BrokenRow { .. } => Some(Self::BrokenRow),
            _ => None,
        }
    }

    pub(crate) const fn changes_something(self) -> bool {
        matches!(self, Self::Done)
    }
}

/// State of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Declared,
    Confirmed,
    Live,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelAttempt {
    pub(crate) status: AttemptStatus,
    lease_until: i64,
    child_killed: bool,
    dataset_files: Option<File>,
    model_files: Option<File>,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelRun {
    kind: RunKind,
    dataset_only: bool,
    priority: i32,
    max_attempts: i32,
    run_after: i64,
    /// When it was last published, or else created.
    wakeup_published_at: i64,
    pub(crate) status: RunStatus,
    pub(crate) phase: Option<RunPhase>,
    pub(crate) attempts_used: i32,
    pub(crate) first_attempt: i32,
    pub(crate) error_code: Option<&'static str>,
    pub(crate) attempts: Vec<ModelAttempt>,
    pub(crate) has_dataset: bool,
    pub(crate) has_version: bool,
    /// It became claimable and was not published since.
    pub(crate) needs_wakeup: bool,
}

impl ModelRun {
    pub(crate) const fn trains(&self) -> bool {
        !self.dataset_only && !matches!(self.kind, RunKind::Evaluate)
    }

    pub(crate) const fn waits(&self) -> bool {
        matches!(self.status, RunStatus::Queued | RunStatus::Retrying)
    }

    fn wait(&mut self, status: RunStatus, run_after: i64) {
        self.status = status;
        self.phase = None;
        self.run_after = run_after;
        self.needs_wakeup = true;
    }

    /// Only objects that the attempt declared report its end; others are unknown.
    fn confirm(&mut self, number: i32, files: Files) -> Outcome {
        let attempt = usize::try_from(number - 1).ok().and_then(|index| self.attempts.get_mut(index));
        let Some(attempt) = attempt else { return Outcome::BrokenRow };
        let is_running = attempt.status == AttemptStatus::Running;
        match attempt.file(files) {
            Some(file @ (File::Declared | File::Confirmed)) if is_running => *file = File::Confirmed,
            Some(File::Declared | File::Confirmed) => return Outcome::LeaseLost,
            Some(File::Live) | None => return Outcome::BrokenRow,
        }
        Outcome::Done
    }

    fn end(&mut self, status: RunStatus, error_code: Option<&'static str>) {
        self.status = status;
        self.phase = None;
        self.error_code = error_code;
    }
}

/// All runs, in the order of their creation.
#[derive(Debug, Default)]
pub(crate) struct Model {
    now: i64,
    pub(crate) runs: Vec<ModelRun>,
    keys: BTreeMap<u8, (bool, usize)>,
}

impl Model {
    /// Index of a picked run.
    pub(crate) fn pick(&self, pick: RunPick) -> Option<usize> {
        match pick {
            RunPick::Existing(back) if !self.runs.is_empty() => Some(self.runs.len() - 1 - back % self.runs.len()),
            _ => None,
        }
    }

    /// Number of a picked attempt, which may not exist.
    pub(crate) fn attempt_number(&self, run: Option<usize>, pick: AttemptPick) -> i32 {
        let newest = run.map_or(0, |run| self.runs[run].attempts.len()) as i32;
        match pick {
            AttemptPick::Newest => newest,
            AttemptPick::Older(back) => newest - back as i32,
            AttemptPick::Future => newest + 1,
        }
    }

    pub(crate) const fn advance(&mut self, minutes: i64) {
        self.now += minutes;
    }

    /// The outcome, and the run that the idempotency key had already created.
    pub(crate) fn create(&mut self, new: &NewRun) -> (Outcome, Option<usize>) {
        if let Some((key, body)) = new.key {
            if let Some((known, run)) = self.keys.get(&key) {
                return if *known == body { (Outcome::Nothing, Some(*run)) } else { (Outcome::IdempotencyMismatch, None) };
            }
            self.keys.insert(key, (body, self.runs.len()));
        }
        self.runs.push(ModelRun {
            kind: new.kind,
            dataset_only: new.dataset_only,
            priority: new.priority,
            max_attempts: new.max_attempts,
            run_after: self.now + if new.delayed { DELAY } else { 0 },
            wakeup_published_at: self.now,
            status: RunStatus::Queued,
            phase: None,
            attempts_used: 0,
            first_attempt: 1,
            error_code: None,
            attempts: Vec::new(),
            has_dataset: false,
            has_version: false,
            needs_wakeup: true,
        });
        (Outcome::Done, None)
    }

    pub(crate) fn cancel(&mut self, run: Option<usize>) -> Outcome {
        let Some(run) = run.map(|run| &mut self.runs[run]) else { return Outcome::UnknownRun };
        match run.status {
            RunStatus::Queued | RunStatus::Retrying => run.end(RunStatus::Cancelled, None),
            RunStatus::Running => run.status = RunStatus::Cancelling,
            RunStatus::Cancelling | RunStatus::Cancelled => return Outcome::Nothing,
            RunStatus::Succeeded | RunStatus::Failed => return Outcome::WrongState,
        }
        Outcome::Done
    }

    pub(crate) fn retry(&mut self, run: Option<usize>) -> Outcome {
        let now = self.now;
        let Some(run) = run.map(|run| &mut self.runs[run]) else { return Outcome::UnknownRun };
        if !matches!(run.status, RunStatus::Failed | RunStatus::Cancelled) {
            return Outcome::WrongState;
        }
        run.wait(RunStatus::Queued, now);
        run.error_code = None;
        run.attempts_used = 0;
        run.first_attempt = run.attempts.len() as i32 + 1;
        Outcome::Done
    }

    /// The run that a worker claims: the greatest priority, then the oldest.
    pub(crate) fn claim(&mut self, evaluate_only: bool) -> Option<usize> {
        let now = self.now;
        let runnable = |run: &ModelRun| run.waits() && run.run_after <= now && (!evaluate_only || run.kind == RunKind::Evaluate);
        let best = self.runs.iter().enumerate().filter(|(_, run)| runnable(run)).min_by_key(|(index, run)| (-run.priority, *index))?.0;
        let run = &mut self.runs[best];
        run.status = RunStatus::Running;
        run.phase = Some(RunPhase::Dataset);
        run.error_code = None;
        run.attempts_used += 1;
        run.attempts.push(ModelAttempt {
            status: AttemptStatus::Running,
            lease_until: now + LEASE,
            child_killed: false,
            dataset_files: None,
            model_files: None,
        });
        Some(best)
    }

    /// Reaps expired leases. Returns how many runs are requeued, failed and cancelled.
    pub(crate) fn reap(&mut self) -> (u32, u32, u32) {
        let now = self.now;
        let (mut requeued, mut failed, mut cancelled) = (0, 0, 0);
        for run in &mut self.runs {
            let Some(attempt) = run.attempts.last_mut().filter(|a| a.status == AttemptStatus::Running && a.lease_until < now) else {
                continue;
            };
            attempt.status = AttemptStatus::Lost;
            if run.status == RunStatus::Cancelling {
                run.end(RunStatus::Cancelled, None);
                cancelled += 1;
            } else if run.attempts_used < run.max_attempts {
                run.wait(RunStatus::Queued, now);
                requeued += 1;
            } else {
                run.end(RunStatus::Failed, Some("worker_lost"));
                failed += 1;
            }
        }
        (requeued, failed, cancelled)
    }

    /// Whether the run must be in the next batch of a relay.
    pub(crate) fn is_due(&self, run: usize) -> bool {
        let run = &self.runs[run];
        run.waits() && run.needs_wakeup && run.run_after <= self.now
    }

    /// Records the publication of a run; with `in_redis` its outbox entry is deleted.
    pub(crate) fn mark_published(&mut self, run: usize, in_redis: bool) {
        self.runs[run].wakeup_published_at = self.now;
        self.runs[run].needs_wakeup &= !in_redis;
    }

    /// Publishes long unclaimed runs without an outbox entry again. Returns how many.
    pub(crate) fn republish(&mut self, in_outbox: &[bool]) -> u64 {
        let overdue = self.now - UNCLAIMED;
        let mut again = 0;
        for (run, in_outbox) in self.runs.iter_mut().zip(in_outbox) {
            if run.waits() && run.run_after < overdue && run.wakeup_published_at < overdue && !in_outbox {
                run.needs_wakeup = true;
                again += 1;
            }
        }
        again
    }

    pub(crate) fn work(&mut self, run: Option<usize>, number: i32, step: &Step) -> Outcome {
        let now = self.now;
        let Some(run) = run.map(|run| &mut self.runs[run]) else {
            return if matches!(step, Step::Confirm(_)) { Outcome::BrokenRow } else { Outcome::LeaseLost };
        };
        if let Step::Confirm(files) = step {
            return run.confirm(number, *files);
        }
        let is_cancelling = run.status == RunStatus::Cancelling;
        let trains = run.trains();
        let is_newest = number >= 1 && number as usize == run.attempts.len();
        let Some(attempt) = run.attempts.last_mut().filter(|attempt| is_newest && attempt.status == AttemptStatus::Running) else {
            return Outcome::LeaseLost;
        };
        match step {
            Step::AskForCancellation => return Outcome::Nothing,
            Step::Renew => attempt.lease_until = now + LEASE,
            Step::EnterPhase(phase) => run.phase = Some(*phase),
            Step::Progress { .. } | Step::Event | Step::Confirm(_) => {}
            Step::UseDataset => run.has_dataset = true,
            Step::Declare(files) => {
                let file = attempt.file(*files);
                if file.is_some() {
                    return Outcome::Nothing;
                }
                *file = Some(File::Declared);
            }
            Step::PublishDataset => {
                if attempt.dataset_files != Some(File::Confirmed) {
                    return Outcome::BrokenRow;
                }
                attempt.dataset_files = Some(File::Live);
                run.has_dataset = true;
            }
            Step::Publish { fitting } => {
                let with_model = trains == *fitting;
                if is_cancelling {
                    return Outcome::CancelRequested;
                }
                if !fitting || with_model && attempt.model_files != Some(File::Confirmed) {
                    return Outcome::BrokenRow;
                }
                if with_model {
                    attempt.model_files = Some(File::Live);
                    run.has_version = true;
                }
                attempt.status = AttemptStatus::Succeeded;
                run.end(RunStatus::Succeeded, None);
            }
            Step::Fail { cause, .. } => {
                attempt.status = AttemptStatus::Failed;
                attempt.child_killed = matches!(cause, Cause::ChildKilled);
                let killed = run.attempts.iter().skip(run.first_attempt as usize - 1).filter(|attempt| attempt.child_killed).count();
                if is_cancelling {
                    run.end(RunStatus::Cancelled, None);
                } else if killed >= 2 {
                    run.end(RunStatus::Failed, Some("training_process_killed"));
                } else if matches!(cause, Cause::Permanent) || run.attempts_used >= run.max_attempts {
                    run.end(RunStatus::Failed, Some(cause.code()));
                } else {
                    run.wait(RunStatus::Retrying, now + BACKOFF);
                    run.error_code = Some(cause.code());
                }
            }
            Step::Release if is_cancelling => {
                attempt.status = AttemptStatus::Cancelled;
                run.end(RunStatus::Cancelled, None);
            }
            Step::Release => {
                attempt.status = AttemptStatus::Released;
                run.attempts_used -= 1;
                let run_after = run.run_after;
                run.wait(RunStatus::Queued, run_after);
            }
            Step::CancelAttempt if !is_cancelling => return Outcome::WrongState,
            Step::CancelAttempt => {
                attempt.status = AttemptStatus::Cancelled;
                run.end(RunStatus::Cancelled, None);
            }
        }
        Outcome::Done
    }
}

impl ModelAttempt {
    const fn file(&mut self, files: Files) -> &mut Option<File> {
        match files {
            Files::Dataset => &mut self.dataset_files,
            Files::Model => &mut self.model_files,
        }
    }
}

impl Cause {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Retryable => "object_store",
            Self::Permanent => "no_examples",
            Self::ChildKilled => "child_killed",
        }
    }
}
