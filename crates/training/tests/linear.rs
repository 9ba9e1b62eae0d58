//! Tests of the kind `linear`, from a snapshot on disk to predictions.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

#[path = "linear/final_fit.rs"]
mod final_fit;
#[path = "linear/learning_curve.rs"]
mod learning_curve;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use aprendiz_inference::{Model, NgramCounter, SparseRows, ThresholdDecision, manifest, set_thresholds};
use aprendiz_run_spec::{Backend, FinalFit, LinearParams, TrainingParams};
use aprendiz_training::{
    Event, LinearHead, OUT_OF_FOLD_FILE, Outcome, Progress, ReportRow, TrainingError, TrainingJob, TrainingSummary, VALIDATION_FILE, run,
};
use serde_json::{Value, json};

/// Training uses 32-bit floats, prediction sums in 64 bits.
const FORWARD_TOLERANCE: f64 = 1e-5;

const TOPICS: [(&str, [&str; 4]); 3] = [
    ("License", ["license", "royalty", "licensee", "sublicense"]),
    ("Supply", ["goods", "delivery", "purchase", "shipment"]),
    ("Hosting", ["server", "uptime", "hosting", "bandwidth"]),
];

struct Snapshot {
    dir: tempfile::TempDir,
}

/// Options of a snapshot.
#[derive(Default)]
struct Shape {
    /// Added to file name, metadata and title of every line.
    telltale: Option<&'static str>,
}

impl Snapshot {
    fn new(examples: usize, shape: &Shape) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("train.jsonl"), lines("train", 0, examples, shape)).unwrap();
        fs::write(dir.path().join("validation.jsonl"), lines("validation", 1000, 12, shape)).unwrap();
        let snapshot = Self { dir };
        snapshot.labels(json!({
            "contract_type": {"labels": ["Hosting", "License", "Supply"]},
            "governing_law": {"labels": ["New York", "Utah", null]},
        }));
        snapshot
    }

    fn labels(&self, fields: Value) {
        let labels = json!({"v": 1, "fields": fields, "left_out": [{"field": "parties", "reason": "several values"}]});
        fs::write(self.path("labels.json"), labels.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn job(&self) -> TrainingJob {
        TrainingJob {
            v: TrainingJob::version(),
            seed: 42,
            target_accuracy: 0.8,
            params: TrainingParams::Linear(LinearParams { final_fit: FinalFit::Train, min_df: 1, ..LinearParams::default() }),
            train: self.path("train.jsonl"),
            train_fraction: None,
            whole_fit: None,
            validation: self.path("validation.jsonl"),
            labels: self.path("labels.json"),
            base_model: None,
            pairs: None,
            out: self.path("model"),
            reports: self.path("reports"),
            checkpoints: self.path("checkpoints"),
            checkpoint_seconds: 15.0,
            resume: None,
            embeddings: None,
            threads: 1,
            backend: Backend::Flex,
        }
    }

    fn out(&self) -> PathBuf {
        self.path("model")
    }
}

fn text(example: usize) -> String {
    let (_, words) = TOPICS[example % 3];
    let law = if example.is_multiple_of(2) { "governed by the laws of New York" } else { "with nothing stated about disputes" };
    format!("This {} concerns {} number {example} {law}.", words[example % 4], words[(example + 1) % 4])
}

fn lines(split: &str, first: usize, count: usize, shape: &Shape) -> String {
    (first..first + count)
        .map(|example| {
            let contract_type = TOPICS[example % 3].0;
            let law: &[&str] = if example.is_multiple_of(2) { &["New York"] } else { &[] };
            let telltale = shape.telltale.unwrap_or_default();
            let line = json!({
                "document_id": format!("d{example}"), "split": split, "group": format!("g{example}"),
                "source": "s", "project": "p", "task_id": example.to_string(),
                "file_name": format!("{telltale}{contract_type}.pdf"),
                "metadata": {"title": format!("{telltale} {contract_type}")},
                "text": text(example),
                "fields": {
                    "contract_type": {"value": [contract_type], "status": "OK", "position": example, "reviewer": "1"},
                    "governing_law": {"value": law, "status": "NEW", "position": example, "reviewer": "1"},
                },
            });
            format!("{line}\n")
        })
        .collect()
}

fn train(job: &TrainingJob) -> Result<TrainingSummary, TrainingError> {
    trained(job, &mut |_| {})
}

fn trained(job: &TrainingJob, progress: &mut dyn FnMut(Progress)) -> Result<TrainingSummary, TrainingError> {
    match run(job, &AtomicBool::new(false), progress)? {
        Outcome::Trained(summary) => Ok(*summary),
        Outcome::Stopped { step } => panic!("stopped at step {step}, without a request"),
    }
}

fn weights(dir: &Path) -> Vec<u8> {
    fs::read(dir.join("model.safetensors")).unwrap()
}

#[test]
fn a_small_set_is_fitted_exactly_and_generalizes() {
    let snapshot = Snapshot::new(48, &Shape::default());
    let summary = train(&snapshot.job()).unwrap();
    assert_eq!((summary.train_documents, summary.validation_documents), (48, 12));
    for field in &summary.fields {
        assert_eq!(field.validation_accuracy, Some(1.0), "{field:?}");
        assert_eq!((field.folds, field.train_examples, field.validation_examples), (5, 48, 12));
    }
    let model = Model::load_unpublished(&snapshot.out()).unwrap();
    for example in 0..48 {
        assert_eq!(model.predict(&text(example))[0].value.as_deref(), Some(TOPICS[example % 3].0));
    }
}

#[test]
fn no_value_is_learned_as_a_class() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    let model = Model::load_unpublished(&snapshot.out()).unwrap();
    assert_eq!(model.predict(&text(7))[1].value, None);
    assert_eq!(model.predict(&text(8))[1].value.as_deref(), Some("New York"));
}

#[test]
fn a_label_without_training_examples_is_listed_and_never_predicted() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    let model = Model::load_unpublished(&snapshot.out()).unwrap();
    let law = model.field("governing_law").unwrap();
    assert_eq!(law.labels, [Some("New York".to_owned()), None]);
    assert_eq!(law.unlearnable, [Some("Utah".to_owned())]);
    assert_eq!(law.train_counts, [24, 24]);
    assert_eq!(model.predict(&text(8))[1].probability(Some("Utah")), 0.0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_thread_and_on_two() {
    let snapshot = Snapshot::new(200, &Shape::default());
    let mut job = snapshot.job();
    let mut files = Vec::new();
    for (name, threads) in [("a", 1), ("b", 1), ("c", 2)] {
        job.threads = threads;
        job.out = snapshot.path(name);
        job.reports = snapshot.path(&format!("{name}-reports"));
        train(&job).unwrap();
        let report = fs::read(job.reports.join(OUT_OF_FOLD_FILE)).unwrap();
        files.push((weights(&job.out), fs::read(job.out.join("config.json")).unwrap(), report));
    }
    assert!(files[0] == files[1], "the same job gave different bytes");
    assert!(files[0] == files[2], "two threads gave different bytes than one");
}

/// A long text whose label depends only on its first lines; the rest mentions all topics.
fn long_text(example: usize) -> String {
    let mut body: Vec<&str> = (0..60).flat_map(|line| TOPICS.map(|(_, words)| words[(example + line) % 4])).collect();
    body.rotate_left(example % 7);
    format!("{} {}", text(example), body.join(" "))
}

#[test]
fn long_texts_get_separate_features_for_their_beginning() {
    let snapshot = Snapshot::new(48, &Shape::default());
    for name in ["train.jsonl", "validation.jsonl"] {
        let lines = fs::read_to_string(snapshot.path(name)).unwrap();
        let long = lines.lines().map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["text"] = long_text(line["document_id"].as_str().unwrap()[1..].parse().unwrap()).into();
            format!("{line}\n")
        });
        let long: String = long.collect();
        fs::write(snapshot.path(name), long).unwrap();
    }
    let mut losses = Vec::new();
    for lead in [100, 0] {
        let job = TrainingJob {
            params: TrainingParams::Linear(LinearParams {
                final_fit: FinalFit::Train,
                min_df: 1,
                lead_chars: lead,
                ..LinearParams::default()
            }),
            out: snapshot.path(&format!("model-{lead}")),
            ..snapshot.job()
        };
        let summary = train(&job).unwrap();
        losses.push(summary.fields[0].validation_log_loss.unwrap());
        let model = Model::load_unpublished(&job.out).unwrap();
        let features = &model.config().features;
        assert_eq!((features.lead_chars, features.word_pairs), if lead > 0 { (lead, 0) } else { (0, 20) });
        let rows = ReportRow::read_all(&job.reports.join(VALIDATION_FILE)).unwrap();
        for row in rows.iter().filter(|row| row.field == "contract_type") {
            let answer = &model.predict(&long_text(row.document_id[1..].parse().unwrap()))[0];
            // JSON parsing may lose the last bit
            assert!(answer.value == row.predicted && (answer.confidence - row.confidence).abs() < 1e-12, "{answer:?} {row:?}");
        }
    }
    assert!(losses[0] < losses[1], "{losses:?}");
}

#[test]
fn short_texts_get_no_separate_features_for_their_beginning() {
    let snapshot = Snapshot::new(48, &Shape::default());
    let [on, off] = [500, 0].map(|lead| {
        let params =
            TrainingParams::Linear(LinearParams { final_fit: FinalFit::Train, min_df: 1, lead_chars: lead, ..LinearParams::default() });
        let job = TrainingJob { params, ..snapshot.job() };
        train(&job).unwrap();
        let features = Model::load_unpublished(&job.out).unwrap().config().features.clone();
        assert_eq!((features.lead_chars, features.word_pairs), (0, 20));
        weights(&job.out)
    });
    assert!(on == off);
}

#[test]
fn a_part_of_train_is_trained_by_groups_and_the_rest_is_not_read() {
    let snapshot = Snapshot::new(48, &Shape::default());
    let whole = train(&snapshot.job()).unwrap();
    let part = TrainingJob { train_fraction: Some(0.5), ..snapshot.job() };
    let summary = train(&part).unwrap();
    assert!(summary.train_documents < whole.train_documents && summary.train_documents > 0, "{}", summary.train_documents);
    assert_eq!(summary.validation_documents, whole.validation_documents);
    // a larger part contains the smaller one
    let ids = |name: &str, fraction: f64| -> Vec<String> {
        let job = TrainingJob { train_fraction: Some(fraction), reports: snapshot.path(name), ..snapshot.job() };
        train(&job).unwrap();
        let rows = ReportRow::read_all(&job.reports.join(OUT_OF_FOLD_FILE)).unwrap();
        rows.into_iter().map(|row| row.document_id).collect()
    };
    let (half, most) = (ids("half", 0.5), ids("most", 0.8));
    assert!(half.len() < most.len() && half.iter().all(|id| most.contains(id)));
    for fraction in [0.0, 1.5, f64::NAN] {
        let error = train(&TrainingJob { train_fraction: Some(fraction), ..snapshot.job() }).unwrap_err();
        assert!(error.code() == "bad_params" && error.to_string().contains("train_fraction"), "{error}");
    }
}

#[test]
fn titles_file_names_and_metadata_do_not_affect_training() {
    let plain = Snapshot::new(48, &Shape::default());
    let telling = Snapshot::new(48, &Shape { telltale: Some("secret") });
    train(&plain.job()).unwrap();
    train(&telling.job()).unwrap();
    assert!(weights(&plain.out()) == weights(&telling.out()));
}

#[test]
fn prediction_agrees_with_the_trained_module() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    let config = aprendiz_inference::ModelConfig::read(&snapshot.out()).unwrap();
    let weights = aprendiz_inference::Weights::read(&snapshot.out(), &config).unwrap();
    let model = Model::load_unpublished(&snapshot.out()).unwrap();

    let mut rows = SparseRows::new(config.feature_count);
    let mut counter = NgramCounter::new();
    for example in 0..20 {
        rows.push(&model.vectorizer().vectorize(&mut counter, &text(example)));
    }
    for (field, head) in weights.fields.iter().enumerate() {
        let module = LinearHead::new(head.weight.clone(), head.bias.clone(), &burn::tensor::Device::flex());
        let classes = head.bias.len();
        let forward = module.forward(&rows).unwrap().try_into_vec_as::<f32>().unwrap();
        for (example, forward) in forward.chunks(classes).enumerate() {
            let answer = &model.predict(&text(example))[field];
            for (label, forward) in config.fields[field].labels.iter().zip(forward) {
                let difference = answer.probability(label.as_deref()) - f64::from(*forward);
                assert!(difference.abs() < FORWARD_TOLERANCE, "{label:?} differs by {difference}");
            }
        }
    }
}

#[test]
fn the_validation_report_equals_the_predictions() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    manifest::write(&snapshot.out()).unwrap();
    let model = Model::load(&snapshot.out()).unwrap();
    let rows = ReportRow::read_all(&snapshot.path("reports").join(VALIDATION_FILE)).unwrap();
    assert_eq!(rows.len(), 24);
    let texts: Vec<String> = (1000..1012).map(text).collect();
    let batch = model.predict_batch(&texts);
    for row in rows {
        let example: usize = row.document_id[1..].parse().unwrap();
        let field = usize::from(row.field == "governing_law");
        let answer = &model.predict(&text(example))[field];
        // bit for bit, alone and in a batch
        assert_eq!((answer.confidence.to_bits(), &answer.value), (row.confidence.to_bits(), &row.predicted));
        assert_eq!(answer, &batch[example - 1000][field]);
    }
}

#[test]
fn out_of_fold_scores_cover_every_training_example_once_per_field() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    let rows = ReportRow::read_all(&snapshot.path("reports").join(OUT_OF_FOLD_FILE)).unwrap();
    let mut seen: Vec<(String, String)> = rows.iter().map(|row| (row.field.clone(), row.document_id.clone())).collect();
    seen.sort();
    seen.dedup();
    assert_eq!((rows.len(), seen.len()), (96, 96));
    assert!(rows.iter().all(|row| (0.0..=1.0).contains(&row.confidence) && row.gold_probability <= row.confidence));
}

#[test]
fn thresholds_are_set_before_the_manifest_and_decide_what_is_answered() {
    let snapshot = Snapshot::new(48, &Shape::default());
    train(&snapshot.job()).unwrap();
    let before = Model::load_unpublished(&snapshot.out()).unwrap().predict(&text(3));
    assert!(before.iter().all(|answer| !answer.answered));

    let decisions = BTreeMap::from([
        ("contract_type".to_owned(), ThresholdDecision::Answer(0.2)),
        ("governing_law".to_owned(), ThresholdDecision::Unreachable),
    ]);
    set_thresholds(&snapshot.out(), &decisions).unwrap();
    manifest::write(&snapshot.out()).unwrap();
    let after = Model::load(&snapshot.out()).unwrap().predict(&text(3));
    assert!(after[0].answered && !after[1].answered);
    assert_eq!((&after[1].value, after[1].confidence), (&before[1].value, before[1].confidence));
    assert!(set_thresholds(&snapshot.out(), &decisions).unwrap_err().to_string().contains("manifest.json"));
}

#[test]
fn a_field_with_one_class_is_skipped_and_no_remaining_field_is_an_error() {
    let snapshot = Snapshot::new(48, &Shape::default());
    snapshot.labels(json!({
        "contract_type": {"labels": ["Hosting", "License", "Supply"]},
        "governing_law": {"labels": ["New York"]},
    }));
    let summary = train(&snapshot.job()).unwrap();
    let skipped: Vec<&str> = summary.skipped.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(skipped, ["parties", "governing_law"]);

    snapshot.labels(json!({"governing_law": {"labels": ["New York"]}}));
    let error = train(&snapshot.job()).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("no_trainable_field", false));
    assert!(error.to_string().contains("only one label, `New York`"), "{error}");
}

#[test]
fn an_invalid_job_or_snapshot_fails_with_a_code_and_without_a_model() {
    let snapshot = Snapshot::new(48, &Shape::default());
    let mut job = snapshot.job();
    let mut unknown = serde_json::to_value(&job).unwrap();
    unknown["params"]["layers"] = json!(3);
    fs::write(snapshot.path("job.json"), unknown.to_string()).unwrap();
    let error = TrainingJob::read(&snapshot.path("job.json")).unwrap_err();
    assert!(error.code() == "bad_params" && error.to_string().contains("layers"), "{error}");
    job.params = TrainingParams::Linear(LinearParams { final_fit: FinalFit::Train, folds: 1, ..LinearParams::default() });
    assert_eq!(train(&job).unwrap_err().code(), "bad_params");
    job.params = TrainingParams::Linear(LinearParams::default());
    job.target_accuracy = 1.5;
    assert_eq!(train(&job).unwrap_err().code(), "bad_params");
    job.target_accuracy = 0.9;
    job.reports = job.out.join("reports");
    assert_eq!(train(&job).unwrap_err().code(), "bad_params");
    job.reports = snapshot.path("reports");
    job.checkpoints = job.out.join("checkpoints");
    assert_eq!(train(&job).unwrap_err().code(), "bad_params");
    job.checkpoints = snapshot.path("checkpoints");
    job.checkpoint_seconds = -1.0;
    assert_eq!(train(&job).unwrap_err().code(), "bad_params");
    job.checkpoint_seconds = 0.0;
    job.train = snapshot.path("missing.jsonl");
    let error = train(&job).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("io", true));
    job.train = snapshot.path("train.jsonl");
    fs::write(snapshot.path("labels.json"), r#"{"v":2,"fields":{}}"#).unwrap();
    assert_eq!(train(&job).unwrap_err().code(), "bad_dataset");
    assert!(!snapshot.out().exists());
}

#[test]
fn examples_that_are_all_near_duplicates_are_trained_without_folds() {
    let snapshot = Snapshot::new(12, &Shape::default());
    let one_group = lines("train", 0, 12, &Shape::default())
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["group"] = json!("one");
            format!("{line}\n")
        })
        .collect::<String>();
    fs::write(snapshot.path("train.jsonl"), one_group).unwrap();
    let summary = train(&snapshot.job()).unwrap();
    assert!(summary.fields.iter().all(|field| field.folds == 0 && field.out_of_fold_accuracy.is_none()));
}

#[test]
fn progress_never_decreases_and_the_last_line_is_the_summary() {
    let snapshot = Snapshot::new(48, &Shape::default());
    let mut progress: Vec<Progress> = Vec::new();
    let summary = trained(&snapshot.job(), &mut |line| progress.push(line)).unwrap();
    let fractions: Vec<f64> = progress
        .iter()
        .filter_map(|line| match line.event {
            Event::Progress { fraction, .. } => Some(fraction),
            _ => None,
        })
        .collect();
    assert!(!fractions.is_empty() && fractions.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(progress.last().map(|line| &line.event), Some(&Event::Done { summary }));
    for line in progress {
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), line);
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn the_ndarray_back_end_gives_the_same_heads_up_to_rounding() {
    let snapshot = Snapshot::new(36, &Shape::default());
    let rows = [Backend::Flex, Backend::Ndarray].map(|backend| {
        let folder = |name: &str| snapshot.path(&format!("{name}-{}", backend.name()));
        let job =
            TrainingJob { backend, out: folder("model"), reports: folder("reports"), checkpoints: folder("checkpoints"), ..snapshot.job() };
        let outcome = run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap();
        assert!(matches!(outcome, Outcome::Trained(summary) if summary.backend == backend.name()));
        ReportRow::read_all(&job.reports.join(VALIDATION_FILE)).unwrap()
    });
    assert!(!rows[0].is_empty() && rows[0].len() == rows[1].len());
    for (flex, ndarray) in rows[0].iter().zip(&rows[1]) {
        assert_eq!((&flex.field, &flex.predicted), (&ndarray.field, &ndarray.predicted));
        assert!((flex.confidence - ndarray.confidence).abs() < 1e-3, "{} {}", flex.confidence, ndarray.confidence);
    }
}
