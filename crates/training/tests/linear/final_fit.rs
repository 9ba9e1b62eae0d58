//! Models that are fitted on more than train.

use std::{collections::BTreeSet, fs};

use aprendiz_inference::{Model, ModelConfig};
use aprendiz_run_spec::{FinalFit, LinearParams, TrainingParams};
use aprendiz_training::{Event, OUT_OF_FOLD_FILE, ReportRow, TrainingJob, VALIDATION_FILE, WholeFit};

use crate::{Shape, Snapshot, lines, train, trained, weights};

/// A job with all of its output below `name`.
fn job(snapshot: &Snapshot, name: &str, final_fit: FinalFit) -> TrainingJob {
    let folder = snapshot.path(name);
    let whole = WholeFit { test: snapshot.path("test.jsonl"), out: folder.join("whole") };
    TrainingJob {
        params: TrainingParams::Linear(LinearParams { min_df: 1, final_fit, folds: 3, fold_repeats: 2, ..LinearParams::default() }),
        whole_fit: (final_fit == FinalFit::All).then_some(whole),
        out: folder.join("model"),
        reports: folder.join("reports"),
        checkpoints: folder.join("checkpoints"),
        ..snapshot.job()
    }
}

/// The documents of a report.
fn reported(job: &TrainingJob, file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(job.reports.join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str::<ReportRow>(line).unwrap().document_id).collect()
}

fn ids(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|number| format!("d{number}")).collect()
}

#[test]
fn validation_is_fitted_and_scored_out_of_fold() {
    let snapshot = Snapshot::new(24, &Shape::default());
    let both = job(&snapshot, "both", FinalFit::TrainAndValidation);
    let summary = train(&both).unwrap();
    assert_eq!((summary.train_documents, summary.validation_documents, summary.published_documents), (24, 12, 36));
    assert_eq!((reported(&both, OUT_OF_FOLD_FILE), reported(&both, VALIDATION_FILE)), (ids(0..24), ids(1000..1012)));
    assert_eq!(ModelConfig::read(&both.out).unwrap().fields[0].train_counts.iter().sum::<u64>(), 36);
    assert!(!both.reports.join("fitted_splits.jsonl").exists());

    // the same head as that of a train split with all of these documents
    let merged = [snapshot.path("train.jsonl"), snapshot.path("validation.jsonl")].map(|path| fs::read_to_string(path).unwrap()).concat();
    fs::write(snapshot.path("merged.jsonl"), merged).unwrap();
    let other = TrainingJob { train: snapshot.path("merged.jsonl"), ..job(&snapshot, "merged", FinalFit::Train) };
    train(&other).unwrap();
    assert_eq!(weights(&both.out), weights(&other.out));

    let only_train = job(&snapshot, "train", FinalFit::Train);
    assert_eq!(train(&only_train).unwrap().published_documents, 24);
    assert_ne!(weights(&only_train.out), weights(&both.out));
}

#[test]
fn all_splits_are_fitted_after_the_measured_model_even_if_interrupted() {
    let snapshot = Snapshot::new(24, &Shape::default());
    fs::write(snapshot.path("test.jsonl"), lines("test", 2000, 9, &Shape::default())).unwrap();
    let whole = TrainingJob { checkpoint_seconds: 0.0, ..job(&snapshot, "all", FinalFit::All) };
    let mut copies = Vec::new();
    let summary = trained(&whole, &mut |line| {
        if let Event::Checkpoint { file, .. } = line.event {
            let copy = snapshot.path(&format!("checkpoint-{}", copies.len()));
            fs::copy(file, &copy).unwrap();
            copies.push(copy);
        }
    })
    .unwrap();
    assert_eq!((summary.measured_documents, summary.published_documents), (36, 45));
    let measured = job(&snapshot, "both", FinalFit::TrainAndValidation);
    train(&measured).unwrap();
    assert_eq!(weights(&whole.out), weights(&measured.out), "the measured model has not seen the test split");
    let out = &whole.whole_fit.as_ref().unwrap().out;
    assert_eq!(ModelConfig::read(out).unwrap().fields[0].train_counts.iter().sum::<u64>(), 45);
    let published = Model::load_unpublished(out).unwrap();
    assert_eq!(published.predict("This license concerns royalty number 7 with nothing stated.")[0].value.as_deref(), Some("License"));

    let picked = [1, copies.len() / 2, copies.len() * 9 / 10, copies.len() - 1];
    for (number, index) in picked.into_iter().enumerate() {
        let again = TrainingJob { resume: Some(copies[index].clone()), ..job(&snapshot, &format!("again-{number}"), FinalFit::All) };
        let resumed = train(&again).unwrap();
        assert!(resumed.resumed_from_step.is_some(), "checkpoint {index}");
        assert_eq!(weights(&again.whole_fit.as_ref().unwrap().out), weights(out), "checkpoint {index}");
        assert_eq!(weights(&again.out), weights(&whole.out), "checkpoint {index}");
    }
}

#[test]
fn the_files_of_a_fit_on_all_splits_are_required_for_it_only() {
    let snapshot = Snapshot::new(24, &Shape::default());
    let missing = TrainingJob { whole_fit: None, ..job(&snapshot, "missing", FinalFit::All) };
    assert_eq!(train(&missing).unwrap_err().code(), "bad_params");
}
