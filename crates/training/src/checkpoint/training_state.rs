//! The progress of a training: finished solves, steps, checkpoints and stop requests.
//!
//! Training is deterministic: a resumed run replays the same steps and reuses the recorded results.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use aprendiz_test_gate::{self as gate, Point};
use burn::tensor::Device;

use crate::{
    backend::cpu_kernel,
    checkpoint::{file::Checkpoint, folder::CheckpointFolder, identity::Identity, state_dict::StateDict},
    error::TrainingError,
    interrupt::Interrupt,
    protocol::{
        job::TrainingJob,
        progress::{LogLevel, Stage},
        reporter::Reporter,
    },
};

/// Minimum ratio of computing time to checkpoint-writing time.
const MIN_COMPUTE_PER_SAVE: u32 = 9;

/// Records results, counts steps, writes checkpoints and checks for stop requests.
///
/// A *step* is one epoch of a solve, or one update of an encoder. A training is a sequence of fields, a field a sequence of solves.
pub(crate) struct TrainingState<'a> {
    pub(crate) reporter: Reporter<'a>,
    stop: &'a AtomicBool,
    folder: CheckpointFolder,
    identity: Identity,
    interval: Duration,
    /// When the time budget of the current part ends.
    deadline: Option<Instant>,
    solved: Checkpoint,
    /// Fields that were replayed or finished.
    fields_seen: usize,
    /// Solves of the current field that were discarded, replayed or finished.
    solves_seen: usize,
    /// Step of the loaded checkpoint, until it is reported as resumed.
    unreported_resume: Option<u64>,
    resumed_from: Option<u64>,
    saved_step: u64,
    saved_at: Instant,
    /// Duration of the last write of a checkpoint.
    save_duration: Duration,
}

impl<'a> TrainingState<'a> {
    /// Starts from the checkpoint of the job, or from the beginning.
    pub(crate) fn open(
        job: &TrainingJob,
        identity: Identity,
        device: &Device,
        stop: &'a AtomicBool,
        reporter: Reporter<'a>,
    ) -> Result<Self, TrainingError> {
        let mut training_state = Self {
            reporter,
            stop,
            folder: CheckpointFolder::open(&job.checkpoints)?,
            identity,
            interval: job.checkpoint_interval()?,
            deadline: None,
            solved: Checkpoint::default(),
            fields_seen: 0,
            solves_seen: 0,
            unreported_resume: None,
            resumed_from: None,
            saved_step: 0,
            saved_at: Instant::now(),
            save_duration: Duration::ZERO,
        };
        if let Some(path) = &job.resume {
            training_state.load(path, device);
        }
        Ok(training_state)
    }

    fn load(&mut self, path: &Path, device: &Device) {
        match Checkpoint::read(path, &self.identity, device) {
            Err(reason) => self.warn_unusable(&reason),
            Ok((checkpoint, kernel)) => {
                if kernel != cpu_kernel() {
                    let message = format!(
                        "the checkpoint was computed on CPU kernel {kernel}, not {}: the result may differ in the last digits",
                        cpu_kernel()
                    );
                    self.reporter.log(LogLevel::Warn, message);
                }
                self.folder.adopt(path);
                self.saved_step = checkpoint.step;
                self.solves_seen = checkpoint.discarded;
                self.unreported_resume = Some(checkpoint.step);
                self.reporter.set_step(checkpoint.step);
                self.solved = checkpoint;
            }
        }
    }

    fn warn_unusable(&mut self, reason: &str) {
        self.reporter.log(LogLevel::Warn, format!("the checkpoint cannot be used, training starts from the beginning: {reason}"));
    }

    /// Discards the checkpoint: training restarts from the beginning.
    pub(crate) fn restart(&mut self, reason: &str) {
        self.warn_unusable(reason);
        self.solved = Checkpoint::default();
        (self.fields_seen, self.solves_seen, self.saved_step) = (0, 0, 0);
        (self.unreported_resume, self.resumed_from) = (None, None);
        self.reporter.set_step(0);
    }

    /// Completed steps of the whole training, including those before the checkpoint.
    pub(crate) fn step(&self) -> u64 {
        self.solved.step
    }

    /// Step of the checkpoint from which training resumed.
    pub(crate) fn resumed_from(&self) -> Option<u64> {
        self.resumed_from
    }

    /// The next field, if it is already finished.
    pub(crate) fn replay_field(&mut self) -> Option<StateDict> {
        let field = self.solved.fields.get(self.fields_seen).cloned()?;
        self.fields_seen += 1;
        Some(field)
    }

    /// Records the result of a field, which replaces its solves.
    pub(crate) fn finish_field(&mut self, field: StateDict) {
        self.solved.fields.push(field);
        self.fields_seen += 1;
        self.solved.solves.clear();
        self.solved.state = None;
        (self.solved.discarded, self.solves_seen) = (0, 0);
    }

    /// The next solve, if it is already finished.
    pub(crate) fn replay_solve(&mut self) -> Option<StateDict> {
        let solve = self.solved.solves.get(self.solves_seen - self.solved.discarded).cloned()?;
        self.solves_seen += 1;
        Some(solve)
    }

    /// The state of the next solve, if it was in progress.
    pub(crate) fn take_solve_in_progress(&mut self) -> Option<StateDict> {
        self.solved.state.take()
    }

    pub(crate) fn finish_solve(&mut self, solve: StateDict) {
        self.solved.solves.push(solve);
        self.solves_seen += 1;
    }

    /// Discarded solves of the current field.
    pub(crate) fn discarded(&self) -> usize {
        self.solved.discarded
    }

    /// Discards the first `count` solves of the current field, because they can no longer affect the result.
    pub(crate) fn discard(&mut self, count: usize) {
        let more = count.saturating_sub(self.solved.discarded).min(self.solved.solves.len());
        self.solved.solves.drain(..more);
        self.solved.discarded += more;
    }

    /// Confirms that the checkpoint fits, and reports that training resumes from it.
    pub(crate) fn confirm_resume(&mut self) {
        if let Some(step) = self.unreported_resume.take() {
            self.resumed_from = Some(step);
            self.reporter.resumed(step);
        }
    }

    pub(crate) fn count_step(&mut self) {
        self.solved.step += 1;
        self.reporter.set_step(self.solved.step);
        self.pass_gate(Point::Step(self.solved.step));
    }

    /// A point at which tests can hold a training; other builds have no gate.
    pub(crate) fn pass_gate(&mut self, point: Point<'_>) {
        let Self { reporter, saved_at, .. } = self;
        gate::pass(point, || reporter.examples(Stage::Fit, 0.0, 0, *saved_at));
    }

    /// Limits the time of what follows; `None` = no limit. Beyond it, training ends with [`Interrupt::OutOfTime`] where it can be stopped.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    fn check_deadline(&self) -> Result<(), Interrupt> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) { Err(Interrupt::OutOfTime) } else { Ok(()) }
    }

    /// Called between two steps of a solve: writes a checkpoint with `state` if one is due, and ends training if a stop was requested.
    pub(crate) fn save_if_due(&mut self, state: impl FnOnce() -> StateDict) -> Result<(), Interrupt> {
        let stop = self.stop_requested();
        if stop || self.is_checkpoint_due() {
            self.solved.state = Some(state());
            let saved = self.save();
            self.solved.state = None;
            saved?;
        }
        if stop { Err(Interrupt::Stopped) } else { self.check_deadline() }
    }

    /// Called between solves: ends training if a stop was requested.
    pub(crate) fn check_stop(&mut self) -> Result<(), Interrupt> {
        if !self.stop_requested() {
            return self.check_deadline();
        }
        self.save()?;
        Err(Interrupt::Stopped)
    }

    /// Whether [`save_if_due`](Self::save_if_due) would read the state.
    pub(crate) fn needs_state(&self) -> bool {
        self.stop_requested() || self.is_checkpoint_due()
    }

    /// Whether the checkpoint interval has elapsed. The interval grows with the time that writing takes, so that writing never exceeds a
    /// tenth of the total time. An interval of 0 requests a checkpoint after every step.
    fn is_checkpoint_due(&self) -> bool {
        let interval = if self.interval.is_zero() { self.interval } else { self.interval.max(self.save_duration * MIN_COMPUTE_PER_SAVE) };
        self.saved_at.elapsed() >= interval
    }

    /// Whether a stop was requested.
    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn save(&mut self) -> Result<(), TrainingError> {
        if self.solved.step == self.saved_step {
            return Ok(());
        }
        self.pass_gate(Point::BeforeCheckpoint(self.solved.step));
        let started = Instant::now();
        let (file, bytes) = self.folder.write(&self.solved, &self.identity)?;
        (self.saved_step, self.saved_at, self.save_duration) = (self.solved.step, Instant::now(), started.elapsed());
        self.reporter.checkpoint(self.solved.step, file, bytes);
        self.pass_gate(Point::AfterCheckpoint(self.solved.step));
        Ok(())
    }
}
