//! What a training has solved so far. It is written into checkpoints, and read back by the training that continues: training is
//! deterministic, so whoever goes the same way again and is handed what was solved already ends at the same place.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use aprendiz_test_gate::{self as gate, Point};
use burn::tensor::Device;

use crate::{
    backend::cpu_kernel,
    checkpoint::Checkpoint,
    checkpoint_folder::CheckpointFolder,
    error::TrainingError,
    halt::Halt,
    identity::Identity,
    job::TrainingJob,
    progress::{LogLevel, Reporter, Stage},
    record::Record,
};

/// Time that is worked for each second that a checkpoint takes.
const WORK_PER_SAVING: u32 = 9;

/// Keeps what is solved, counts the steps, writes checkpoints and hears when it is time to stop.
///
/// A *step* is one pass of a solver. A training is a sequence of fields, a field a sequence of solves.
pub(crate) struct Journal<'a> {
    pub(crate) reporter: Reporter<'a>,
    stop: &'a AtomicBool,
    folder: CheckpointFolder,
    identity: Identity,
    pause: Duration,
    solved: Checkpoint,
    /// Fields that were asked for.
    fields_seen: usize,
    /// Solves of the field under way that were asked for or need not be, from the first.
    solves_seen: usize,
    /// Step of the checkpoint that nobody has been told about yet.
    untold: Option<u64>,
    resumed_from: Option<u64>,
    saved_step: u64,
    saved_at: Instant,
    /// How long the last checkpoint took.
    saving: Duration,
}

impl<'a> Journal<'a> {
    /// Starts with what the job's checkpoint holds, or with nothing.
    pub(crate) fn open(job: &TrainingJob, device: &Device, stop: &'a AtomicBool, reporter: Reporter<'a>) -> Result<Self, TrainingError> {
        let mut journal = Self {
            reporter,
            stop,
            folder: CheckpointFolder::open(&job.checkpoints)?,
            identity: Identity::of_files(job)?,
            pause: job.checkpoint_pause()?,
            solved: Checkpoint::default(),
            fields_seen: 0,
            solves_seen: 0,
            untold: None,
            resumed_from: None,
            saved_step: 0,
            saved_at: Instant::now(),
            saving: Duration::ZERO,
        };
        if let Some(path) = &job.resume {
            journal.take(path, device);
        }
        Ok(journal)
    }

    fn take(&mut self, path: &Path, device: &Device) {
        match Checkpoint::read(path, &self.identity, device) {
            Err(reason) => self.refuse(&reason),
            Ok((checkpoint, kernel)) => {
                if kernel != cpu_kernel() {
                    let message = format!(
                        "the checkpoint was computed on the CPU kernel {kernel}, this is {}: the result may differ in its last digits",
                        cpu_kernel()
                    );
                    self.reporter.log(LogLevel::Warn, message);
                }
                self.folder.adopt(path);
                self.saved_step = checkpoint.step;
                self.solves_seen = checkpoint.forgotten;
                self.untold = Some(checkpoint.step);
                self.reporter.at_step(checkpoint.step);
                self.solved = checkpoint;
            }
        }
    }

    fn refuse(&mut self, reason: &str) {
        self.reporter.log(LogLevel::Warn, format!("the checkpoint cannot be used, training starts from the beginning: {reason}"));
    }

    /// Forgets the checkpoint: the training goes its way again from the beginning.
    pub(crate) fn start_over(&mut self, reason: &str) {
        self.refuse(reason);
        self.solved = Checkpoint::default();
        (self.fields_seen, self.solves_seen, self.saved_step) = (0, 0, 0);
        (self.untold, self.resumed_from) = (None, None);
        self.reporter.at_step(0);
    }

    /// Steps of the whole training so far, those before the checkpoint included.
    pub(crate) fn step(&self) -> u64 {
        self.solved.step
    }

    /// Step of the checkpoint that was taken up.
    pub(crate) fn resumed_from(&self) -> Option<u64> {
        self.resumed_from
    }

    /// The next field, if it is finished already.
    pub(crate) fn finished_field(&mut self) -> Option<Record> {
        let field = self.solved.fields.get(self.fields_seen).cloned()?;
        self.fields_seen += 1;
        Some(field)
    }

    /// Keeps what the rest of the training needs of a field, instead of its solves.
    pub(crate) fn finish_field(&mut self, field: Record) {
        self.solved.fields.push(field);
        self.fields_seen += 1;
        self.solved.solves.clear();
        self.solved.state = None;
        (self.solved.forgotten, self.solves_seen) = (0, 0);
    }

    /// The next solve, if it is finished already.
    pub(crate) fn finished_solve(&mut self) -> Option<Record> {
        let solve = self.solved.solves.get(self.solves_seen - self.solved.forgotten).cloned()?;
        self.solves_seen += 1;
        Some(solve)
    }

    /// The state of the solve that begins, if it was under way already.
    pub(crate) fn unfinished_solve(&mut self) -> Option<Record> {
        self.solved.state.take()
    }

    pub(crate) fn finish_solve(&mut self, solve: Record) {
        self.solved.solves.push(solve);
        self.solves_seen += 1;
    }

    /// Solves of the field under way that were forgotten.
    pub(crate) fn forgotten(&self) -> usize {
        self.solved.forgotten
    }

    /// Forgets the first `count` solves of the field under way, because they decide nothing any more.
    pub(crate) fn forget(&mut self, count: usize) {
        let more = count.saturating_sub(self.solved.forgotten).min(self.solved.solves.len());
        self.solved.solves.drain(..more);
        self.solved.forgotten += more;
    }

    /// Says that everything the checkpoint holds fits, and that work goes on from there.
    pub(crate) fn taken_up(&mut self) {
        if let Some(step) = self.untold.take() {
            self.resumed_from = Some(step);
            self.reporter.resumed(step);
        }
    }

    pub(crate) fn count_step(&mut self) {
        self.solved.step += 1;
        self.reporter.at_step(self.solved.step);
        self.pass_gate(Point::Step(self.solved.step));
    }

    /// Where tests hold a training; a build for any other purpose has no gate.
    pub(crate) fn pass_gate(&mut self, point: Point<'_>) {
        let Self { reporter, saved_at, .. } = self;
        gate::pass(point, || reporter.examples(Stage::Fit, 0.0, 0, *saved_at));
    }

    /// Between two steps of a solve, whose state is `state`: writes a checkpoint if it is time, and stops if that is wanted.
    pub(crate) fn between_steps(&mut self, state: impl FnOnce() -> Record) -> Result<(), Halt> {
        let stop = self.is_stopped();
        if stop || self.is_time() {
            self.solved.state = Some(state());
            let saved = self.save();
            self.solved.state = None;
            saved?;
        }
        if stop { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Where no solve is under way: stops if that is wanted.
    pub(crate) fn between_solves(&mut self) -> Result<(), Halt> {
        if !self.is_stopped() {
            return Ok(());
        }
        self.save()?;
        Err(Halt::Stopped)
    }

    /// Whether [`between_steps`](Self::between_steps) would ask for the state.
    pub(crate) fn wants_state(&self) -> bool {
        self.is_stopped() || self.is_time()
    }

    /// Whether enough time has gone by since the last checkpoint. Large ones are written less often, so that they never take more than a
    /// tenth of the time; a pause of 0 asks for all of them.
    fn is_time(&self) -> bool {
        let pause = if self.pause.is_zero() { self.pause } else { self.pause.max(self.saving * WORK_PER_SAVING) };
        self.saved_at.elapsed() >= pause
    }

    /// Whether the work was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn save(&mut self) -> Result<(), TrainingError> {
        if self.solved.step == self.saved_step {
            return Ok(());
        }
        self.pass_gate(Point::BeforeCheckpoint(self.solved.step));
        let began = Instant::now();
        let (file, bytes) = self.folder.write(&self.solved, &self.identity)?;
        (self.saved_step, self.saved_at, self.saving) = (self.solved.step, Instant::now(), began.elapsed());
        self.reporter.checkpoint(self.solved.step, file, bytes);
        self.pass_gate(Point::AfterCheckpoint(self.solved.step));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use burn::tensor::Device;
    use serde_json::json;

    use super::*;
    use crate::{Backend, Event, Kind, Outcome, gram::matrix, run};

    fn job(dir: &Path) -> TrainingJob {
        let lines: String = (0..12)
            .map(|example| {
                let value = ["a", "b"][example % 2];
                let line = json!({
                    "document_id": example.to_string(), "text": format!("{value} number {example}"), "fields": {"law": {"value": [value]}}
                });
                format!("{line}\n")
            })
            .collect();
        fs::write(dir.join("train.jsonl"), lines).unwrap();
        fs::write(dir.join("validation.jsonl"), "").unwrap();
        fs::write(dir.join("labels.json"), r#"{"v":1,"fields":{"law":{"labels":["a","b"]}}}"#).unwrap();
        TrainingJob {
            v: TrainingJob::version(),
            kind: Kind::Linear,
            seed: 1,
            target_accuracy: 0.9,
            params: json!({"min_df": 1, "folds": 2}),
            train: dir.join("train.jsonl"),
            validation: dir.join("validation.jsonl"),
            labels: dir.join("labels.json"),
            base_model: None,
            pairs: None,
            out: dir.join("model"),
            reports: dir.join("reports"),
            checkpoints: dir.join("checkpoints"),
            checkpoint_seconds: 3600.0,
            resume: None,
            threads: 1,
            backend: Backend::Flex,
        }
    }

    /// Trains from a checkpoint that is intact and of this very training, but holds what no training would write.
    fn warnings(checkpoint: &Checkpoint) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let job = job(dir.path());
        let path: PathBuf = dir.path().join("checkpoint");
        checkpoint.write(&path, &Identity::of_files(&job).unwrap()).unwrap();
        let mut warnings = Vec::new();
        let outcome = run(&TrainingJob { resume: Some(path), ..job }, &AtomicBool::new(false), &mut |line| {
            if let Event::Log { message, .. } = line.event {
                warnings.push(message);
            }
        });
        let Outcome::Trained(summary) = outcome.unwrap() else { panic!("nobody stops it") };
        assert_eq!(summary.resumed_from_step, None);
        warnings
    }

    #[test]
    fn a_checkpoint_of_other_shapes_is_refused_in_words_and_training_starts_over() {
        let record = |name: &str, shape: [usize; 2]| {
            Record::default().with_tensor(name, &matrix(vec![0.5; shape[0] * shape[1]], shape, &Device::flex()))
        };
        let field = record("solution", [12, 2]).with_number("l2", 0.1).with_number("folds", 2.0);
        let cases = [
            (Checkpoint { fields: vec![field.clone()], ..Checkpoint::default() }, "no tensor `scores`"),
            (Checkpoint { fields: vec![field.with_number("folds", 0.5)], ..Checkpoint::default() }, "counts nothing"),
            (Checkpoint { fields: vec![record("solution", [11, 2])], ..Checkpoint::default() }, "no number `folds`"),
            (Checkpoint { solves: vec![record("solution", [7, 2])], ..Checkpoint::default() }, "shape [7, 2], not [6, 2]"),
            (Checkpoint { solves: vec![record("other", [6, 2])], ..Checkpoint::default() }, "no tensor `solution`"),
            (Checkpoint { state: Some(record("weights", [6, 2])), ..Checkpoint::default() }, "no tensor `sums`"),
            (Checkpoint { forgotten: 3, ..Checkpoint::default() }, "forgotten 3 solves"),
            (Checkpoint { forgotten: 1 << 40, ..Checkpoint::default() }, "forgotten"),
            (Checkpoint { state: Some(record("a", [0, 0])), ..Checkpoint::default() }, "no tensor `weights`"),
        ];
        for (checkpoint, reason) in cases {
            let warnings = warnings(&checkpoint);
            assert!(warnings.len() == 1 && warnings[0].contains(reason), "{warnings:?} instead of {reason}");
        }
    }
}
