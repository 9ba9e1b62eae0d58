//! Tests of the kind `field-classifier`: training, resuming, the embedding cache and the test split, with a tiny random encoder.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

mod classifier_snapshot;
mod training;

use std::{fs, ops::ControlFlow, path::PathBuf, sync::atomic::AtomicBool};

use aprendiz_classifier::FieldModel;
use aprendiz_run_spec::{Backend, RunKind};
use aprendiz_training::{
    ClassifierEvaluation, EmbeddingFiles, EmbeddingUse, Event, LogLevel, OUT_OF_FOLD_FILE, Outcome, PredictedDocument, ReportRow,
    TrainingJob, VALIDATION_FILE, device, evaluate_classifier, run,
};
use serde_json::{Value, json};

use crate::classifier_snapshot::{Snapshot, assert_same_model, document, files, lines, text};
use crate::training::{train, train_to_the_end};

impl Snapshot {
    /// A job with all of its output below `name`, whose documents have one chunk each.
    fn job(&self, name: &str) -> TrainingJob {
        self.job_with(name, json!({"chunk_tokens": 64}))
    }

    /// A job whose documents have several chunks each.
    fn chunked_job(&self, name: &str) -> TrainingJob {
        self.job_with(name, json!({"chunk_tokens": 24}))
    }

    fn job_with(&self, name: &str, more: Value) -> TrainingJob {
        let mut params =
            json!({"epochs": 40, "learning_rate": 0.3, "l2": 0.0, "folds": 3, "chunk_overlap": 4, "batch": 16, "final_fit": "train"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.job_of(RunKind::FieldClassifier, name, &params)
    }

    /// A job that uses a cache of these files and writes new vectors to `fresh`.
    fn cached_job(&self, name: &str, known: &[PathBuf], fresh: &str) -> TrainingJob {
        let files = EmbeddingFiles { known: known.to_vec(), fresh: self.path(fresh) };
        TrainingJob { embeddings: Some(files), ..self.job(name) }
    }
}

fn embedding_use(events: &[Event]) -> EmbeddingUse {
    let mut found =
        events.iter().filter_map(|event| if let Event::Embedded { embeddings } = event { Some(embeddings.clone()) } else { None });
    let embeddings = found.next().unwrap();
    assert!(found.next().is_none(), "sent once");
    embeddings
}

#[test]
fn a_classifier_learns_and_its_reports_match_its_predictions() {
    let snapshot = Snapshot::new();
    let job = snapshot.job("plain");
    let (summary, _) = train_to_the_end(&job);
    let field = &summary.fields[0];
    assert_eq!((field.field.as_str(), field.train_examples, field.classes, field.folds), ("kind", 60, 3, 3));
    assert!(field.out_of_fold_accuracy.unwrap() > 0.6 && field.validation_accuracy.unwrap() > 0.6, "{field:?}");
    let model = FieldModel::load_unpublished(&job.out, &device(Backend::Flex).unwrap()).unwrap();
    for row in ReportRow::read_all(&job.reports.join(VALIDATION_FILE)).unwrap() {
        let number: usize = row.document_id[1..].parse().unwrap();
        let predicted = &model.predict(&[text(number)]).unwrap()[0][0];
        assert_eq!((predicted.prediction.confidence, &predicted.prediction.value), (row.confidence, &row.predicted));
        assert_eq!(predicted.evidence, Some((0, text(number).len())));
    }
}

#[test]
fn the_same_job_gives_the_same_bytes_with_one_thread_or_two() {
    let snapshot = Snapshot::new();
    let (one, two) = (snapshot.chunked_job("one"), TrainingJob { threads: 2, ..snapshot.chunked_job("two") });
    let other = TrainingJob { seed: 43, ..snapshot.chunked_job("other") };
    for job in [&one, &two, &other] {
        train_to_the_end(job);
    }
    assert_same_model(&two, &one);
    assert!(files(&other.out) != files(&one.out));
}

#[test]
fn a_resumed_training_ends_with_the_same_bytes() {
    let snapshot = Snapshot::new();
    let whole = snapshot.chunked_job("whole");
    let (summary, _) = train_to_the_end(&whole);
    // three folds and the final head have 40 epochs each: within a head, at the end of one, and in the last one
    for stop_at in [1, 40, 55, 159] {
        let name = format!("stopped-{stop_at}");
        let mut newest = None;
        let (outcome, _) = train(&snapshot.chunked_job(&name), |event| match event {
            Event::Checkpoint { step, file, .. } => {
                newest = Some(file.clone());
                if *step >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        });
        let Outcome::Stopped { step } = outcome else { panic!("training was not stopped at {stop_at}") };
        let second = TrainingJob { resume: newest, ..snapshot.chunked_job(&name) };
        let (resumed, events) = train_to_the_end(&second);
        assert_eq!((resumed.resumed_from_step, resumed.steps), (Some(step), summary.steps), "stopped at {stop_at}");
        assert!(events.iter().any(|event| matches!(event, Event::Resumed { .. })));
        assert_same_model(&second, &whole);
    }
}

#[test]
fn a_checkpoint_of_another_job_is_not_resumed() {
    let snapshot = Snapshot::new();
    let mut newest = None;
    train(&snapshot.job("first"), |event| {
        if let Event::Checkpoint { file, .. } = event {
            newest = Some(file.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let other = TrainingJob { seed: 43, resume: newest, ..snapshot.job("other") };
    let (summary, events) = train_to_the_end(&other);
    assert_eq!(summary.resumed_from_step, None);
    let warned = |event: &Event| matches!(event, Event::Log { level: LogLevel::Warn, message } if message.contains("its seed is `42`"));
    assert!(events.iter().any(warned), "{events:?}");
}

#[test]
fn only_new_vectors_are_computed_again() {
    let snapshot = Snapshot::new();
    let first = snapshot.cached_job("first", &[], "fresh");
    let (_, events) = train_to_the_end(&first);
    // one chunk for each document of train and validation
    assert_eq!(embedding_use(&events), EmbeddingUse { found: 0, computed: 78, used: Vec::new() });

    let known = snapshot.path("known");
    fs::rename(snapshot.path("fresh"), &known).unwrap();
    let second = snapshot.cached_job("second", std::slice::from_ref(&known), "fresh");
    let (_, events) = train_to_the_end(&second);
    assert_eq!(embedding_use(&events), EmbeddingUse { found: 78, computed: 0, used: vec![known.clone()] });
    assert!(!snapshot.path("fresh").exists(), "nothing is new");
    assert_same_model(&second, &first);

    snapshot.write("train.jsonl", &lines(0, 80));
    let (_, events) = train_to_the_end(&snapshot.cached_job("more", std::slice::from_ref(&known), "fresh"));
    assert_eq!(embedding_use(&events).computed, 20);
}

#[test]
fn vectors_of_a_stopped_training_are_kept() {
    let snapshot = Snapshot::new();
    let job = snapshot.cached_job("stopped", &[], "fresh");
    let (outcome, events) =
        train(&job, |event| if matches!(event, Event::Progress { .. }) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    assert!(matches!(outcome, Outcome::Stopped { .. }));
    assert_eq!(embedding_use(&events).computed, 60);
    assert!(snapshot.path("fresh").exists());
}

#[test]
fn missing_labels_and_fields_with_one_class_cost_only_themselves() {
    let snapshot = Snapshot::new();
    let mut documents = lines(0, 60);
    for (number, document) in documents.iter_mut().enumerate() {
        let fields = document["fields"].as_object_mut().unwrap();
        fields.insert("constant".to_owned(), json!({"value": ["a"]}));
        if number % 2 == 0 {
            fields["kind"] = Value::Null;
        }
    }
    snapshot.write("train.jsonl", &documents);
    snapshot.write_labels(&["constant", "kind"]);
    let (summary, _) = train_to_the_end(&snapshot.job("masked"));
    assert_eq!(summary.fields.iter().map(|field| (field.field.as_str(), field.train_examples)).collect::<Vec<_>>(), [("kind", 30)]);
    assert!(summary.skipped[0].field == "constant" && summary.skipped[0].reason.contains("only one label"), "{:?}", summary.skipped);
}

#[test]
fn empty_texts_are_not_answered_and_long_ones_are_read_in_part() {
    let snapshot = Snapshot::new();
    let mut documents = lines(0, 60);
    documents.push(document(60, " \n", &["a"]));
    documents.push(document(61, &"rent flat tenant lease ".repeat(300_000 / 23), &["a"]));
    snapshot.write("train.jsonl", &documents);
    let job = snapshot.job("texts");
    train_to_the_end(&job);
    let rows = ReportRow::read_all(&job.reports.join(OUT_OF_FOLD_FILE)).unwrap();
    let row = |id: &str| rows.iter().find(|row| row.document_id == id).unwrap();
    assert!(row("d60").no_known_feature && !row("d61").no_known_feature && !row("d0").no_known_feature);
    let model = FieldModel::load_unpublished(&job.out, &device(Backend::Flex).unwrap()).unwrap();
    let predicted = model.predict(&["", &"goods price order ".repeat(20_000)]).unwrap();
    assert!(predicted[0][0].prediction.no_known_feature && !predicted[0][0].prediction.answered && predicted[0][0].evidence.is_none());
    let (start, end) = predicted[1][0].evidence.unwrap();
    assert!(start < end && !predicted[1][0].prediction.no_known_feature, "{predicted:?}");
}

#[test]
fn the_test_split_is_predicted_in_its_order_with_the_same_numbers() {
    let snapshot = Snapshot::new();
    let job = snapshot.job("plain");
    train_to_the_end(&job);
    snapshot.write("test.jsonl", &lines(2000, 12));
    let evaluation = ClassifierEvaluation {
        v: TrainingJob::version(),
        model: job.out.clone(),
        documents: snapshot.path("test.jsonl"),
        predictions: snapshot.path("predicted.jsonl"),
        embeddings: Some(EmbeddingFiles { known: Vec::new(), fresh: snapshot.path("fresh") }),
        threads: 2,
        backend: Backend::Flex,
    };
    let mut last = None;
    let documents = evaluate_classifier(&evaluation, &AtomicBool::new(false), &mut |line| last = Some(line.event)).unwrap();
    assert_eq!(documents, Some(12));
    let usage = EmbeddingUse { found: 0, computed: 12, used: Vec::new() };
    assert_eq!(last, Some(Event::Predicted { documents: 12, embeddings: usage }));
    let model = FieldModel::load_unpublished(&job.out, &device(Backend::Flex).unwrap()).unwrap();
    let written = fs::read_to_string(snapshot.path("predicted.jsonl")).unwrap();
    for (line, number) in written.lines().zip(2000..) {
        let predicted: PredictedDocument = serde_json::from_str(line).unwrap();
        assert_eq!(predicted.document_id, format!("d{number}"));
        assert_eq!(predicted.fields, model.predict(&[text(number)]).unwrap()[0]);
    }
    assert_eq!(evaluate_classifier(&evaluation, &AtomicBool::new(true), &mut |_| {}).unwrap(), None);
}

#[test]
fn a_job_without_a_base_model_is_rejected() {
    let snapshot = Snapshot::new();
    let job = TrainingJob { base_model: None, ..snapshot.job("none") };
    let error = run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert!(error.code() == "bad_params" && error.to_string().contains("base_model"), "{error}");
}
