//! Tests of the kind `auto`: what is selected and published, and that it predicts as it was measured.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

mod classifier_snapshot;
mod training;

use std::{fs, ops::ControlFlow};

use aprendiz_classifier::{AutoConfig, ChosenKind, FieldModel};
use aprendiz_inference::{Model, NgramCounter};
use aprendiz_run_spec::{Backend, RunKind};
use aprendiz_training::{Event, LogLevel, OUT_OF_FOLD_FILE, Outcome, ReportRow, TrainingJob, VALIDATION_FILE, device};
use serde_json::{Value, json};

use crate::classifier_snapshot::{Snapshot, assert_same_model, files};
use crate::training::{train, train_to_the_end};

const STATES: [&str; 4] = ["ohio", "utah", "iowa", "maine"];

const BETWEEN: [&str; 5] = ["today", "still", "only", "also", "fully"];

/// A contract that names every state once, so that words alone do not tell its law: that is the state in the clause with `governed`. Its
/// kind is a word.
fn contract(number: usize) -> (String, &'static str, &'static str) {
    let law = STATES[number % 4];
    let kind = ["lease", "supply"][number / 4 % 2];
    let filler = "the parties agree that notices are sent in writing to the address of the other party without any delay, and that";
    let between = |index: usize| [BETWEEN[(number * 3 + index) % 5], BETWEEN[(number / 5 + 2 * index) % 5]].join(" ");
    let others = (1..4).map(|index| format!("{filler} an office is open in {} {}", between(index), STATES[(number + index) % 4]));
    let mut clauses: Vec<String> = others.collect();
    clauses.rotate_left(number / 7 % 3);
    clauses.insert(number / 3 % 4, format!("{filler} this contract is governed as in {} {law}", between(0)));
    (format!("{kind} contract. {}", clauses.join(". ")), law, kind)
}

fn contracts(first: usize, count: usize) -> Vec<Value> {
    (first..first + count)
        .map(|number| {
            let (text, law, kind) = contract(number);
            let fields = json!({ "law": { "value": [law] }, "kind": { "value": [kind] } });
            json!({ "document_id": format!("d{number}"), "group": format!("g{number}"), "text": text, "fields": fields })
        })
        .collect()
}

/// Contracts with two fields, of which words alone decide only one.
fn snapshot() -> Snapshot {
    let snapshot = Snapshot::new();
    snapshot.write("train.jsonl", &contracts(0, 120));
    snapshot.write("validation.jsonl", &contracts(1000, 24));
    let labels = json!({ "v": 1, "left_out": [], "fields": { "law": { "labels": STATES }, "kind": { "labels": ["lease", "supply"] } } });
    fs::write(snapshot.path("labels.json"), labels.to_string()).unwrap();
    snapshot
}

fn job(snapshot: &Snapshot, name: &str) -> TrainingJob {
    let params = json!({ "chunk_tokens": 32, "chunk_overlap": 4, "folds": 3, "final_fit": "train" });
    TrainingJob { checkpoint_seconds: 3600.0, ..snapshot.job_of(RunKind::Auto, name, &params) }
}

#[test]
fn each_field_is_predicted_by_what_suits_it_as_it_was_measured() {
    let snapshot = snapshot();
    let job = job(&snapshot, "auto");
    let (summary, _) = train_to_the_end(&job);
    assert_eq!(summary.settings["kind"], "auto", "{:#}", summary.settings["fields"]);
    let config = AutoConfig::read(&job.out).unwrap();
    let chosen: Vec<_> = config.choices.iter().map(|choice| (choice.field.as_str(), choice.chosen == ChosenKind::Linear)).collect();
    assert_eq!(chosen, [("kind", true), ("law", false)], "{:#}", summary.settings["fields"]);
    assert!(summary.fields.iter().all(|field| field.out_of_fold_accuracy.unwrap() > 0.8), "{:?}", summary.fields);
    assert!(!job.reports.join("parts").exists(), "only the model is left");

    let model = FieldModel::load_unpublished(&job.out, &device(Backend::Flex).unwrap()).unwrap();
    let rows = ReportRow::read_all(&job.reports.join(VALIDATION_FILE)).unwrap();
    assert_eq!(rows.len(), 48);
    for row in rows {
        let (text, ..) = contract(row.document_id[1..].parse().unwrap());
        let fields = model.predict(&[text]).unwrap().remove(0);
        let predicted = fields.iter().find(|field| field.prediction.field == row.field).unwrap();
        assert_eq!((predicted.prediction.confidence, &predicted.prediction.value), (row.confidence, &row.predicted));
        assert_eq!(predicted.evidence.is_some(), row.field == "law");
    }
}

#[test]
fn a_kind_that_suits_all_fields_is_published_alone() {
    let snapshot = snapshot();
    let labels = json!({ "v": 1, "left_out": [], "fields": { "kind": { "labels": ["lease", "supply"] } } });
    fs::write(snapshot.path("labels.json"), labels.to_string()).unwrap();
    let auto = job(&snapshot, "auto");
    let (summary, _) = train_to_the_end(&auto);
    assert_eq!((&summary.settings["kind"], &summary.settings["run_kind"]), (&json!("linear"), &json!("auto")));
    let linear = snapshot.job_of(RunKind::Linear, "linear", &json!({ "folds": 3, "final_fit": "train" }));
    train_to_the_end(&TrainingJob { base_model: None, ..linear.clone() });
    let (found, expected) = (files(&auto.out), files(&linear.out));
    assert!(found.keys().eq(expected.keys()), "{:?}", found.keys());
    assert!(found[std::path::Path::new("model.safetensors")] == expected[std::path::Path::new("model.safetensors")]);
    let model = Model::load_unpublished(&auto.out).unwrap();
    let predicted = model.predict_with(&mut NgramCounter::new(), &contract(5).0);
    assert_eq!(predicted[0].value.as_deref(), Some(contract(5).2));
}

#[test]
fn a_resumed_training_ends_with_the_same_bytes_with_one_thread_or_two() {
    let snapshot = snapshot();
    let whole = TrainingJob { threads: 2, ..job(&snapshot, "whole") };
    let (summary, _) = train_to_the_end(&whole);
    let mut newest = None;
    let stopped = TrainingJob { checkpoint_seconds: 0.0, ..job(&snapshot, "stopped") };
    // within a head of the field classifiers, after all linear models
    let stop_at = summary.steps - 50;
    let (outcome, _) = train(&stopped, |event| match event {
        Event::Checkpoint { step, file, .. } => {
            newest = Some(file.clone());
            if *step >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(outcome, Outcome::Stopped { .. }));
    let resumed = TrainingJob { resume: newest, ..job(&snapshot, "stopped") };
    let (again, _) = train_to_the_end(&resumed);
    assert!(again.resumed_from_step.is_some() && again.steps == summary.steps);
    assert_same_model(&resumed, &whole);
}

#[test]
fn without_time_for_field_classifiers_linear_models_are_published() {
    let snapshot = snapshot();
    let job = snapshot.job_of(RunKind::Auto, "auto", &json!({ "budget_minutes": 1e-6, "final_fit": "train" }));
    let (summary, events) = train_to_the_end(&job);
    assert_eq!(summary.settings["kind"], "linear");
    let warned =
        |event: &Event| matches!(event, Event::Log { level: LogLevel::Warn, message } if message.contains("field classifiers stopped"));
    assert!(events.iter().any(warned), "{events:?}");
    assert!(!ReportRow::read_all(&job.reports.join(OUT_OF_FOLD_FILE)).unwrap().is_empty());
}
