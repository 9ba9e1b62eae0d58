//! Learning curves of the kind `linear`.

use std::{fs, path::Path};

use aprendiz_run_spec::{FinalFit, LinearParams, TrainingParams};
use aprendiz_training::{Event, LogLevel, Stage, TrainingJob};
use serde_json::{Value, json};

use super::{Shape, Snapshot, train, trained, weights};

fn with_learning_curve(snapshot: &Snapshot) -> TrainingJob {
    TrainingJob {
        params: TrainingParams::Linear(LinearParams {
            final_fit: FinalFit::Train,
            min_df: 1,
            learning_curve: true,
            ..LinearParams::default()
        }),
        out: snapshot.path("curve-model"),
        reports: snapshot.path("curve-reports"),
        checkpoints: snapshot.path("curve-checkpoints"),
        ..snapshot.job()
    }
}

#[test]
fn parts_without_a_document_or_a_feature_are_measured_as_what_they_are() {
    // the only group is in no part
    let snapshot = Snapshot::new(12, &Shape::default());
    let lines = fs::read_to_string(snapshot.path("train.jsonl")).unwrap();
    let lines = lines.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["group"] = json!("one");
        format!("{line}\n")
    });
    fs::write(snapshot.path("train.jsonl"), lines.collect::<String>()).unwrap();
    let parts = train(&with_learning_curve(&snapshot)).unwrap().learning_curve.unwrap().parts;
    assert!(parts.iter().all(|part| [0, 12].contains(&part.train_documents)), "{parts:?}");
    assert!(parts.iter().all(|part| part.fields.is_empty() == (part.train_documents == 0)), "{parts:?}");

    // no feature occurs in so many documents of a small part: its model predicts the most frequent class
    let snapshot = Snapshot::new(60, &Shape::default());
    let params = LinearParams { final_fit: FinalFit::Train, min_df: 25, learning_curve: true, ..LinearParams::default() };
    let job = TrainingJob { params: TrainingParams::Linear(params), ..with_learning_curve(&snapshot) };
    let parts = train(&job).unwrap().learning_curve.unwrap().parts;
    assert!(parts[0].train_documents < 25 && parts[0].fields.len() == 2, "{:?}", parts[0]);
    for field in &parts[0].fields {
        let share = if field.field == "contract_type" { 4 } else { 6 };
        assert_eq!(field.counts.correct, share, "{:?}", parts[0]);
    }
}

#[test]
fn a_learning_curve_measures_nested_parts_and_leaves_the_model_as_it_is() {
    let snapshot = Snapshot::new(120, &Shape::default());
    let plain = train(&snapshot.job()).unwrap();
    let job = with_learning_curve(&snapshot);
    let mut lines = Vec::new();
    let summary = trained(&job, &mut |line| lines.push(line.event)).unwrap();
    assert!(weights(&job.out) == weights(&snapshot.out()), "the learning curve changed the model");
    assert_eq!((plain.learning_curve, &plain.fields), (None, &summary.fields));

    let curve = summary.learning_curve.unwrap();
    assert_eq!(curve.parts.iter().map(|part| part.percent).collect::<Vec<_>>(), [20, 40, 60, 80, 100]);
    let documents: Vec<u64> = curve.parts.iter().map(|part| part.train_documents).collect();
    assert!(documents.windows(2).all(|pair| pair[0] < pair[1]) && documents[4] == 120, "{documents:?}");
    for part in &curve.parts {
        for field in &part.fields {
            assert_eq!((field.counts.train_examples, field.counts.examples, field.counts.n), (part.train_documents, 12, 12));
        }
        // both fields of a document are one piece of evidence
        let overall = part.overall.unwrap();
        assert_eq!((overall.examples, overall.n, overall.train_examples), (24, 12, 2 * part.train_documents));
    }
    for (field, trained) in curve.parts[4].fields.iter().zip(&summary.fields) {
        assert_eq!(Some(field.counts.correct as f64 / field.counts.examples as f64), trained.validation_accuracy);
    }
    let names = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(
        (names(&job.reports).len(), names(&job.out).len()),
        (2, 2),
        "files are left: {:?} {:?}",
        names(&job.reports),
        names(&job.out)
    );
    let stages: Vec<(Stage, f64)> = lines
        .iter()
        .filter_map(|line| match line {
            Event::Progress { stage, fraction, .. } => Some((*stage, *fraction)),
            _ => None,
        })
        .collect();
    assert!(stages.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    assert!(stages.iter().all(|(stage, fraction)| (*stage == Stage::LearningCurve) == (*fraction > 0.5)), "{stages:?}");
    assert_eq!(stages.last(), Some(&(Stage::LearningCurve, 1.0)));
}

#[test]
fn a_learning_curve_without_validation_examples_is_reported_as_not_measured() {
    let snapshot = Snapshot::new(48, &Shape::default());
    fs::write(snapshot.path("validation.jsonl"), "").unwrap();
    let mut warnings = Vec::new();
    let summary = trained(&with_learning_curve(&snapshot), &mut |line| {
        if let Event::Log { level: LogLevel::Warn, message } = line.event {
            warnings.push(message);
        }
    });
    assert!(summary.unwrap().learning_curve.unwrap().parts.is_empty());
    assert!(warnings.iter().any(|warning| warning.contains("the learning curve is not measured: the validation split")), "{warnings:?}");
}

#[test]
fn a_field_that_cannot_be_trained_on_a_part_has_no_point_there() {
    let snapshot = Snapshot::new(120, &Shape::default());
    // only the last documents are reviewed for the second class of `governing_law`
    let lines = fs::read_to_string(snapshot.path("train.jsonl")).unwrap();
    let lines = lines.lines().enumerate().map(|(number, line)| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        if number != 3 && line["fields"]["governing_law"]["value"] == json!([]) {
            line["fields"]["governing_law"] = Value::Null;
        }
        format!("{line}\n")
    });
    fs::write(snapshot.path("train.jsonl"), lines.collect::<String>()).unwrap();
    let curve = train(&with_learning_curve(&snapshot)).unwrap().learning_curve.unwrap();
    let with_law: Vec<bool> = curve.parts.iter().map(|part| part.fields.len() == 2).collect();
    assert!(with_law[4] && with_law.windows(2).all(|pair| pair[0] <= pair[1]), "parts are nested: {with_law:?}");
    assert!(curve.parts.iter().all(|part| part.overall.is_some() == (part.fields.len() == 2)));
}
