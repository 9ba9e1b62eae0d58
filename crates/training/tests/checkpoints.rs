//! Tests that a resumed training ends with the same bytes as an uninterrupted one.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

mod training;

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use aprendiz_run_spec::{Backend, FinalFit, LinearParams, TrainingParams};
use aprendiz_training::{Event, LogLevel, OUT_OF_FOLD_FILE, Outcome, Stage, TrainingJob, TrainingSummary, VALIDATION_FILE, run};
use serde_json::json;

use crate::training::{summary, train, train_to_the_end};

/// The test that covers all parts of a training resumes from every n-th checkpoint. Coprime with periodic structure.
const STRIDE: usize = 5;

/// Every n-th step whose training, after it resumed, writes a checkpoint after each step.
const WRITING_STRIDE: usize = 50;

fn linear(folds: usize) -> TrainingParams {
    TrainingParams::Linear(LinearParams {
        final_fit: FinalFit::Train,
        min_df: 1,
        folds,
        fold_repeats: 2,
        tolerance: 0.01,
        ..LinearParams::default()
    })
}

struct Snapshot {
    dir: tempfile::TempDir,
}

impl Snapshot {
    /// Three fields: one with six overlapping classes, one with two, and one whose examples are all in one group.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("train.jsonl"), lines(0, 54)).unwrap();
        fs::write(dir.path().join("validation.jsonl"), lines(1000, 8)).unwrap();
        let snapshot = Self { dir };
        snapshot.labels(&["a", "b", "c", "d", "e", "f"]);
        snapshot
    }

    fn labels(&self, kinds: &[&str]) {
        let labels = json!({"v": 1, "left_out": [], "fields": {
            "kind": {"labels": kinds}, "law": {"labels": ["x", null]}, "together": {"labels": ["p", "q"]},
        }});
        fs::write(self.path("labels.json"), labels.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A job with all of its output below `name`.
    fn job(&self, name: &str) -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            seed: 42,
            target_accuracy: 0.8,
            params: linear(2),
            train: self.path("train.jsonl"),
            train_fraction: None,
            whole_fit: None,
            validation: self.path("validation.jsonl"),
            labels: self.path("labels.json"),
            base_model: None,
            pairs: None,
            out: self.path(name).join("model"),
            reports: self.path(name).join("reports"),
            checkpoints: self.path(name).join("checkpoints"),
            checkpoint_seconds: 0.0,
            resume: None,
            embeddings: None,
            threads: 1,
            backend: Backend::Flex,
        }
    }

    /// Trains without interruption. Returns a copy of the checkpoint after each step; the first is that of step 1.
    fn undisturbed(&self) -> (TrainingJob, TrainingSummary, Vec<PathBuf>) {
        let job = self.job("undisturbed");
        let copies = self.path("copies");
        fs::create_dir(&copies).unwrap();
        let mut files = Vec::new();
        let (outcome, _) = train(&job, |event| {
            if let Event::Checkpoint { file, .. } = event {
                let copy = copies.join(file.file_name().unwrap());
                fs::copy(file, &copy).unwrap();
                files.push(copy);
            }
            ControlFlow::Continue(())
        });
        (job, summary(outcome), files)
    }
}

fn lines(first: usize, count: usize) -> String {
    (first..first + count)
        .map(|example| {
            let kind = ["a", "b", "c", "d", "e", "f"][example % 6];
            let law: &[&str] = if example.is_multiple_of(4) { &["x"] } else { &[] };
            let words: Vec<String> = (0..8).map(|index| format!("word{}", (example * 7 + index * index * 5 + example % 6) % 23)).collect();
            let telling = if example % 5 < 3 { kind } else { "nothing" };
            let mut line = json!({
                "document_id": format!("d{example}"), "group": format!("g{example}"),
                "text": format!("{} about {telling} and {} law {}", words.join(" "), law.len(), example % 11),
                "fields": {"kind": {"value": [kind]}, "law": {"value": law}},
            });
            if example % 54 < 6 {
                line["group"] = json!("one");
                line["fields"]["together"] = json!({"value": [if example.is_multiple_of(2) { "p" } else { "q" }]});
            }
            format!("{line}\n")
        })
        .collect()
}

fn outputs(job: &TrainingJob) -> [Vec<u8>; 4] {
    [job.out.join("model.safetensors"), job.out.join("config.json"), job.reports.join(OUT_OF_FOLD_FILE), job.reports.join(VALIDATION_FILE)]
        .map(|path| fs::read(path).unwrap())
}

fn checkpoint_steps(events: &[Event]) -> Vec<u64> {
    let step = |event: &Event| match event {
        Event::Checkpoint { step, .. } => Some(*step),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

fn resumed_steps(events: &[Event]) -> Vec<u64> {
    let step = |event: &Event| match event {
        Event::Resumed { step } => Some(*step),
        _ => None,
    };
    events.iter().filter_map(step).collect()
}

fn newest_checkpoint(events: &[Event]) -> Option<PathBuf> {
    let file = |event: &Event| match event {
        Event::Checkpoint { file, .. } => Some(file.clone()),
        _ => None,
    };
    events.iter().rev().find_map(file)
}

fn warnings(events: &[Event]) -> Vec<String> {
    let warning = |event: &Event| match event {
        Event::Log { level: LogLevel::Warn, message } if message.contains("checkpoint") => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(warning).collect()
}

/// Trains from an unusable checkpoint: training must restart, with a warning that contains the reason.
fn assert_restarts(job: &TrainingJob, reason: &str) -> TrainingSummary {
    let (summary, events) = train_to_the_end(job);
    let warnings = warnings(&events);
    assert!(warnings.len() == 1 && warnings[0].contains(reason), "{warnings:?} instead of {reason}");
    assert_eq!((summary.resumed_from_step, resumed_steps(&events)), (None, Vec::new()));
    assert_eq!(checkpoint_steps(&events), Vec::<u64>::new(), "the interval is an hour");
    summary
}

#[test]
fn a_training_resumed_after_any_step_ends_with_the_same_bytes_and_repeats_no_step() {
    let snapshot = Snapshot::new();
    let (job, whole, checkpoints) = snapshot.undisturbed();
    assert_eq!(checkpoints.len() as u64, whole.steps, "a checkpoint after each step");
    assert_eq!(whole.resumed_from_step, None);
    let expected = outputs(&job);
    for (number, checkpoint) in checkpoints.iter().enumerate().filter(|(number, _)| number % STRIDE == 0 || number + 1 == checkpoints.len())
    {
        let step = number as u64 + 1;
        // syncing a file takes longer than a step, so only some of the trainings write checkpoints
        let checkpoint_seconds = if number % WRITING_STRIDE == 0 { 0.0 } else { 3600.0 };
        let job = TrainingJob { resume: Some(checkpoint.clone()), checkpoint_seconds, ..snapshot.job(&step.to_string()) };
        let (summary, events) = train_to_the_end(&job);
        assert!(outputs(&job) == expected, "different bytes after step {step}");
        assert_eq!((summary.steps, summary.resumed_from_step, resumed_steps(&events)), (whole.steps, Some(step), vec![step]));
        let carried_out = if checkpoint_seconds == 0.0 { (step + 1..=whole.steps).collect() } else { Vec::new() };
        assert_eq!(checkpoint_steps(&events), carried_out);
        assert_eq!((summary.fields, warnings(&events)), (whole.fields.clone(), vec![]));
    }
}

#[test]
fn a_learning_curve_resumed_after_any_step_has_the_same_bytes_and_repeats_no_step() {
    let snapshot = Snapshot::new();
    let with_curve = |name: &str| {
        let params = LinearParams {
            final_fit: FinalFit::Train,
            min_df: 1,
            folds: 2,
            fold_repeats: 1,
            tolerance: 0.01,
            learning_curve: true,
            ..LinearParams::default()
        };
        TrainingJob { params: TrainingParams::Linear(params), ..snapshot.job(name) }
    };
    let job = with_curve("whole");
    fs::create_dir(snapshot.path("curve-copies")).unwrap();
    let (mut copies, mut in_curve) = (Vec::new(), false);
    let (outcome, events) = train(&job, |event| {
        match event {
            Event::Progress { stage, .. } => in_curve |= *stage == Stage::LearningCurve,
            Event::Checkpoint { step, file, .. } => {
                let copy = snapshot.path("curve-copies").join(step.to_string());
                fs::copy(file, &copy).unwrap();
                copies.push((*step, copy, in_curve));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    let whole = summary(outcome);
    assert_eq!(checkpoint_steps(&events), (1..=whole.steps).collect::<Vec<_>>());
    let curve = serde_json::to_string(&whole.learning_curve).unwrap();
    assert_eq!(whole.learning_curve.map(|curve| curve.parts.len()), Some(5));
    let first = copies.iter().position(|(.., in_curve)| *in_curve).expect("the learning curve takes steps");
    for (step, checkpoint, _) in copies[first - 2..].iter().step_by(STRIDE).chain(copies.last()) {
        let job = TrainingJob { resume: Some(checkpoint.clone()), checkpoint_seconds: 3600.0, ..with_curve(&format!("curve-{step}")) };
        let (resumed, events) = train_to_the_end(&job);
        assert_eq!(serde_json::to_string(&resumed.learning_curve).unwrap(), curve, "another curve after step {step}");
        assert!(outputs(&job) == outputs(&with_curve("whole")), "different bytes after step {step}");
        assert_eq!((resumed.steps, resumed.resumed_from_step, resumed_steps(&events)), (whole.steps, Some(*step), vec![*step]));
        assert_eq!(warnings(&events), Vec::<String>::new());
    }

    // a stop within the curve takes effect after the step, with a checkpoint
    let stopped = with_curve("curve-stopped");
    let goal = copies[first].0 + 1;
    let (outcome, events) = train(&stopped, |event| match event {
        Event::Checkpoint { step, .. } if *step >= goal => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let Outcome::Stopped { step } = outcome else { panic!("it was not stopped") };
    assert!((goal..goal + 3).contains(&step), "stopped at {step} instead of after {goal}");
    let (resumed, _) = train_to_the_end(&TrainingJob { resume: newest_checkpoint(&events), ..stopped });
    assert_eq!(serde_json::to_string(&resumed.learning_curve).unwrap(), curve);

    // its counts are those of the validation split, so a checkpoint does not fit another one
    fs::write(snapshot.path("validation.jsonl"), lines(2000, 8)).unwrap();
    let other = TrainingJob { resume: Some(copies[first].1.clone()), checkpoint_seconds: 3600.0, ..with_curve("curve-other") };
    assert_restarts(&other, "its data is");
}

#[test]
fn a_training_stopped_repeatedly_ends_with_the_same_bytes_for_any_number_of_threads() {
    let snapshot = Snapshot::new();
    let (undisturbed, whole, _) = snapshot.undisturbed();
    let mut job = snapshot.job("stopped");
    let mut stops = 0;
    let mut last = 0;
    let end = loop {
        // every attempt gets some steps further than the previous one
        let goal = last + 3 + stops % 11;
        let (outcome, events) = train(&job, |event| match event {
            Event::Checkpoint { step, .. } if *step >= goal => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        match outcome {
            Outcome::Trained(summary) => break *summary,
            Outcome::Stopped { step } => {
                assert_eq!(events.last(), Some(&Event::Stopped { step }));
                assert_eq!(checkpoint_steps(&events).last(), Some(&step), "the last checkpoint holds all steps");
                assert!((goal..goal + 3).contains(&step), "stopped at {step} instead of after {goal}");
                assert_eq!(resumed_steps(&events), job.resume.iter().map(|_| last).collect::<Vec<_>>());
                last = step;
            }
        }
        stops += 1;
        job.resume = newest_checkpoint(&events);
        job.threads = 1 + stops as usize % 2;
    };
    assert!(stops > 5, "only {stops} stops");
    assert_eq!((end.steps, end.resumed_from_step), (whole.steps, Some(last)));
    assert!(outputs(&job) == outputs(&undisturbed));
}

#[test]
fn a_training_stopped_before_its_first_step_writes_nothing() {
    let snapshot = Snapshot::new();
    let job = snapshot.job("early");
    let mut events = Vec::new();
    let outcome = run(&job, &AtomicBool::new(true), &mut |line| events.push(line.event)).unwrap();
    assert_eq!(outcome, Outcome::Stopped { step: 0 });
    assert_eq!(events, [Event::Stopped { step: 0 }]);
    assert_eq!(checkpoint_files(&job.checkpoints), Vec::<String>::new());
    assert!(!job.out.exists());
}

#[test]
fn a_resumed_training_stopped_before_its_first_step_keeps_its_step() {
    let snapshot = Snapshot::new();
    let (_, _, checkpoints) = snapshot.undisturbed();
    let job = TrainingJob { resume: Some(checkpoints[9].clone()), ..snapshot.job("early") };
    let outcome = run(&job, &AtomicBool::new(true), &mut |_| {}).unwrap();
    assert_eq!(outcome, Outcome::Stopped { step: 10 });
    assert_eq!(checkpoint_files(&job.checkpoints), Vec::<String>::new());
}

fn checkpoint_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn only_the_newest_two_checkpoints_are_kept() {
    let snapshot = Snapshot::new();
    let (job, whole, _) = snapshot.undisturbed();
    let name = |step: u64| format!("checkpoint-{step:08}.safetensors");
    assert_eq!(checkpoint_files(&job.checkpoints), [name(whole.steps - 1), name(whole.steps)]);

    // files of an earlier process, complete or not, do not accumulate
    let unfinished = job.checkpoints.join("unfinished").join("half");
    fs::write(&unfinished, "half a file").unwrap();
    fs::copy(snapshot.path("copies").join(name(5)), job.checkpoints.join(name(5))).unwrap();
    for step in [whole.steps - 1, whole.steps] {
        fs::remove_file(job.checkpoints.join(name(step))).unwrap();
    }
    let job = TrainingJob { resume: Some(job.checkpoints.join(name(5))), ..job };
    train_to_the_end(&job);
    assert_eq!(checkpoint_files(&job.checkpoints), [name(whole.steps - 1), name(whole.steps)]);
    assert!(!unfinished.exists());
}

#[test]
fn no_checkpoint_is_written_before_the_interval_has_elapsed() {
    let snapshot = Snapshot::new();
    let job = TrainingJob { checkpoint_seconds: 3600.0, ..snapshot.job("rare") };
    let (_, events) = train_to_the_end(&job);
    assert_eq!(checkpoint_steps(&events), Vec::<u64>::new());
}

#[test]
fn the_step_never_decreases_and_continues_from_the_checkpoint() {
    let snapshot = Snapshot::new();
    let (_, whole, checkpoints) = snapshot.undisturbed();
    let job = TrainingJob { resume: Some(checkpoints[19].clone()), ..snapshot.job("steps") };
    let (_, events) = train_to_the_end(&job);
    let step = |event: &Event| match event {
        Event::Progress { step, .. } => Some(*step),
        _ => None,
    };
    let steps: Vec<u64> = events.iter().filter_map(step).collect();
    assert!(steps.windows(2).all(|pair| pair[0] <= pair[1]), "{steps:?}");
    assert!(steps[0] == 20 && steps.iter().all(|step| *step <= whole.steps), "{steps:?}");
}

#[test]
fn a_damaged_checkpoint_is_ignored() {
    let snapshot = Snapshot::new();
    let (undisturbed, whole, checkpoints) = snapshot.undisturbed();
    let intact = fs::read(&checkpoints[checkpoints.len() / 2]).unwrap();
    let changed = |index: usize| {
        let mut bytes = intact.clone();
        bytes[index] ^= 1;
        bytes
    };
    let header = u64::from_le_bytes(intact[..8].try_into().unwrap()) as usize + 8;
    let damaged = [
        Vec::new(),
        b"not a checkpoint".to_vec(),
        intact[..5].to_vec(),
        intact[..header / 2].to_vec(),
        intact[..header].to_vec(),
        intact[..intact.len() - 1].to_vec(),
        [&intact[..], b"more"].concat(),
        changed(0),
        changed(7),
        changed(header / 2),
        changed(header),
        changed(intact.len() - 1),
    ];
    for (number, bytes) in damaged.into_iter().enumerate() {
        let path = snapshot.path("damaged");
        fs::write(&path, bytes).unwrap();
        let name = format!("damaged-{number}");
        let job = TrainingJob { resume: Some(path), checkpoint_seconds: 3600.0, ..snapshot.job(&name) };
        let summary = assert_restarts(&job, "training starts from the beginning");
        assert_eq!(summary.steps, whole.steps);
        assert!(outputs(&job) == outputs(&undisturbed));
    }
    let job = TrainingJob { resume: Some(snapshot.path("missing")), checkpoint_seconds: 3600.0, ..snapshot.job("missing-job") };
    assert_restarts(&job, "No such file");
}

#[test]
fn a_checkpoint_of_another_training_is_ignored_with_the_difference() {
    let snapshot = Snapshot::new();
    let (_, _, checkpoints) = snapshot.undisturbed();
    let resume = Some(checkpoints[checkpoints.len() / 2].clone());
    let job = |name: &str| TrainingJob { resume: resume.clone(), checkpoint_seconds: 3600.0, ..snapshot.job(name) };

    assert_restarts(&TrainingJob { seed: 43, ..job("seed") }, "its seed is `42`, not `43`");
    assert_restarts(
        &TrainingJob { params: linear(3), ..job("params") },
        r#"its params is `{"char_ngrams":[3,4],"epochs":500,"final_fit":"train","fold_repeats":2,"folds":2,"#,
    );
    snapshot.labels(&["a", "b", "c", "d", "e"]);
    assert_restarts(&job("labels"), "its data is");
    snapshot.labels(&["a", "b", "c", "d", "e", "f"]);
    fs::write(snapshot.path("train.jsonl"), lines(0, 53)).unwrap();
    assert_restarts(&job("data"), "its data is");
}
