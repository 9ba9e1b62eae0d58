//! Tests of the kind `sentence-transformer`: training, resuming and evaluation, with a tiny random encoder.

#![expect(clippy::unwrap_used, reason = "a test fails if its setup fails")]

mod training;

use std::{fs, ops::ControlFlow, path::PathBuf, sync::atomic::AtomicBool};

use aprendiz_encoder::{BaseModel, BaseModelCaches, Encoder, write_random};
use aprendiz_run_spec::{Backend, RunKind, TrainingParams};
use aprendiz_training::{EmbeddingFiles, EncoderEvaluation, Event, LogLevel, Outcome, PairFiles, TrainingJob, evaluate_encoder, run};
use serde_json::{Value, json};

use crate::training::{train, train_to_the_end};

struct Snapshot {
    dir: tempfile::TempDir,
}

impl Snapshot {
    /// Documents of three classes with different words, and a tiny base model.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("train.jsonl"), lines(0, 36)).unwrap();
        fs::write(dir.path().join("validation.jsonl"), lines(1000, 18)).unwrap();
        let labels = json!({"v": 1, "left_out": [], "fields": {"kind": {"labels": ["a", "b", "c"]}}});
        fs::write(dir.path().join("labels.json"), labels.to_string()).unwrap();
        write_random(&dir.path().join("base"), 3).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A job with all of its output below `name`.
    fn job(&self, name: &str, params: Value) -> TrainingJob {
        let params = TrainingParams::parse(RunKind::SentenceTransformer, params.as_object().unwrap()).unwrap().unwrap();
        TrainingJob {
            v: TrainingJob::version(),
            seed: 42,
            target_accuracy: 0.8,
            params,
            train: self.path("train.jsonl"),
            train_fraction: None,
            whole_fit: None,
            validation: self.path("validation.jsonl"),
            labels: self.path("labels.json"),
            base_model: Some(BaseModel::find(self.path("base").to_str().unwrap(), &BaseModelCaches::default()).unwrap()),
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
}

fn lines(first: usize, count: usize) -> String {
    let words = [["rent", "flat", "tenant", "lease"], ["goods", "price", "order", "buyer"], ["secret", "party", "disclose", "data"]];
    (first..first + count)
        .map(|number| {
            let class = number % 3;
            let name = ["a", "b", "c"][class];
            let text: Vec<&str> = (0..6).map(|index| words[class][(number / 3 + index * index) % 4]).collect();
            let line = json!({
                "document_id": format!("d{number}"), "group": format!("g{number}"),
                "text": format!("{} number {}", text.join(" "), number % 7),
                "fields": {"kind": {"value": [name]}},
            });
            format!("{line}\n")
        })
        .collect()
}

fn learning() -> Value {
    json!({"epochs": 2, "learning_rate": 0.002, "examples_per_class": 6, "batch": 8})
}

fn weights(job: &TrainingJob) -> Vec<u8> {
    fs::read(job.out.join("model.safetensors")).unwrap()
}

#[test]
fn every_family_can_be_trained_and_gives_the_same_bytes_with_more_threads() {
    let families = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/fixtures/families");
    for (family, changed) in [
        ("mpnet", ["encoder.relative_attention_bias.weight", "encoder.layer.0.attention.attn.q.weight"]),
        ("distilbert", ["transformer.layer.1.ffn.lin1.weight", "embeddings.LayerNorm.bias"]),
        ("xlm-roberta", ["embeddings.position_embeddings.weight", "encoder.layer.1.output.dense.bias"]),
    ] {
        let snapshot = Snapshot::new();
        let find = |path: &str| BaseModel::find(path, &BaseModelCaches::default()).unwrap();
        let base = families.join(family);
        let job = |name, threads| TrainingJob { base_model: Some(find(base.to_str().unwrap())), threads, ..snapshot.job(name, learning()) };
        let (one, two) = (job("one", 1), job("two", 2));
        train_to_the_end(&one);
        train_to_the_end(&two);
        assert_eq!(weights(&one), weights(&two), "{family}");
        let (before, after) = (fs::read(base.join("model.safetensors")).unwrap(), weights(&one));
        let tensors = |bytes| safetensors::SafeTensors::deserialize(bytes).unwrap();
        let (before, after) = (tensors(&before), tensors(&after));
        let names = |tensors: &safetensors::SafeTensors<'_>| {
            let mut names: Vec<String> =
                tensors.names().into_iter().map(ToString::to_string).filter(|name| !name.starts_with("pooler")).collect();
            names.sort();
            names
        };
        assert_eq!(names(&before), names(&after), "{family}");
        for name in changed {
            assert_ne!(before.tensor(name).unwrap().data(), after.tensor(name).unwrap().data(), "{family}: {name}");
        }
    }
}

#[test]
fn training_improves_the_encoder_and_writes_it_in_the_layout_of_its_base() {
    let snapshot = Snapshot::new();
    let job = snapshot.job("plain", learning());
    let (summary, events) = train_to_the_end(&job);
    let encoder = summary.encoder.unwrap();
    let (base, trained) = (encoder.base.unwrap(), encoder.trained.unwrap());
    assert!(trained.average_precision > base.average_precision + 0.05, "{trained:?} after {base:?}");
    // 3 classes of 6 documents: 45 positive pairs, as many negative; 12 batches of 8 per epoch
    assert_eq!((encoder.pairs, encoder.texts, summary.steps), (90, 18, 24));
    let losses: Vec<f64> = events.iter().filter_map(|event| if let Event::Progress { loss, .. } = event { *loss } else { None }).collect();
    assert!(losses.last().unwrap() < losses.first().unwrap(), "{losses:?}");

    let written = Encoder::load(&job.out, &burn::tensor::Device::flex()).unwrap();
    assert_eq!(written.max_length(), 64);
    let base = Encoder::load(&snapshot.path("base"), &burn::tensor::Device::flex()).unwrap();
    let names = |encoder: &Encoder| encoder.weights().unwrap().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&base));
    assert_ne!(weights(&job), fs::read(snapshot.path("base/model.safetensors")).unwrap());
}

/// Pairs of the validation documents, in the format of the test split of a snapshot.
fn test_pairs() -> String {
    let texts: Vec<Value> = lines(1000, 18).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut pairs = String::new();
    for (index, a) in texts.iter().enumerate() {
        for b in &texts[index + 1..] {
            let label = if a["fields"] == b["fields"] { 1.0 } else { 0.0 };
            let line = json!({"text_a": a["text"], "text_b": b["text"], "label": label, "field": "kind", "split": "test"});
            pairs += &format!("{line}\n");
        }
    }
    pairs
}

#[test]
fn an_encoder_is_evaluated_with_its_base_on_held_out_pairs_and_neighbours() {
    let snapshot = Snapshot::new();
    let job = snapshot.job("plain", learning());
    train_to_the_end(&job);
    fs::write(snapshot.path("test.jsonl"), test_pairs()).unwrap();
    let evaluation = |max_documents| EncoderEvaluation {
        v: TrainingJob::version(),
        model: job.out.clone(),
        base_model: job.base_model.clone().unwrap(),
        pairs: snapshot.path("test.jsonl"),
        index: job.train.clone(),
        queries: job.validation.clone(),
        labels: job.labels.clone(),
        max_documents,
        scores: snapshot.path("scores.jsonl"),
        work: snapshot.path("work"),
        embeddings: None,
        threads: 1,
        backend: Backend::Flex,
    };
    let mut last = None;
    let report = evaluate_encoder(&evaluation(1000), &AtomicBool::new(false), &mut |line| last = Some(line.event)).unwrap().unwrap();
    let Some(Event::Evaluated { report: reported, embeddings }) = last else { panic!("{last:?}") };
    assert_eq!((&reported, embeddings.found), (&report, 0));
    assert_eq!(report.pairs, 153);
    let (base, trained) = (report.base.unwrap(), report.trained.unwrap());
    assert!(trained.average_precision > base.average_precision && trained.spearman > base.spearman, "{report:?}");
    // there is one field
    let [field] = report.fields.as_slice() else { panic!("{report:?}") };
    assert_eq!((field.field.as_str(), field.pairs, field.base, field.trained), ("kind", 153, report.base, report.trained));
    let neighbours = field.neighbours.unwrap();
    assert_eq!((neighbours.index, neighbours.queries), (36, 18));
    assert!(neighbours.trained >= neighbours.base && neighbours.trained > neighbours.majority, "{report:?}");
    let scores = fs::read_to_string(snapshot.path("scores.jsonl")).unwrap();
    let scores: Vec<Value> = scores.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((scores.len(), &scores[152]["pair"]), (153, &json!(153)));
    assert!(scores.iter().all(|score| score["base"].is_f64() && score["trained"].is_f64() && score["field"] == "kind"));

    // a sample of the documents; the full result is reproducible
    let few = evaluate_encoder(&evaluation(9), &AtomicBool::new(false), &mut |_| {}).unwrap().unwrap();
    assert_eq!(few.fields[0].neighbours.map(|metrics| (metrics.index, metrics.queries)), Some((9, 9)));
    assert_eq!(evaluate_encoder(&evaluation(1000), &AtomicBool::new(false), &mut |_| {}).unwrap().unwrap(), report);

    // the same results with cached vectors of the base model; a file with other content is reported and ignored
    let fresh = snapshot.path("fresh");
    let with =
        |documents, known| EncoderEvaluation { embeddings: Some(EmbeddingFiles { known, fresh: fresh.clone() }), ..evaluation(documents) };
    assert_eq!(evaluate_encoder(&with(9, vec![]), &AtomicBool::new(false), &mut |_| {}).unwrap().unwrap(), few);
    let known = snapshot.path("known");
    fs::rename(&fresh, &known).unwrap();
    let (mut last, mut warnings) = (None, 0);
    let job = with(1000, vec![known.clone(), job.labels.clone()]);
    let again = evaluate_encoder(&job, &AtomicBool::new(false), &mut |line| {
        warnings += usize::from(matches!(&line.event, Event::Log { level: LogLevel::Warn, message } if message.contains("labels.json")));
        last = Some(line.event);
    });
    assert_eq!(again.unwrap().unwrap(), report);
    let Some(Event::Evaluated { embeddings, .. }) = last else { panic!("{last:?}") };
    assert!(embeddings.found > 0 && embeddings.computed > 0 && embeddings.used == [known], "{embeddings:?}");
    assert!(fresh.exists() && warnings == 1);
    assert!(evaluate_encoder(&evaluation(9), &AtomicBool::new(true), &mut |_| {}).unwrap().is_none());
}

#[test]
fn the_same_job_gives_the_same_bytes_with_one_thread_or_two() {
    let snapshot = Snapshot::new();
    let one = snapshot.job("one", learning());
    let two = TrainingJob { threads: 2, ..snapshot.job("two", learning()) };
    let other = TrainingJob { seed: 43, ..snapshot.job("other", learning()) };
    for job in [&one, &two, &other] {
        train_to_the_end(job);
    }
    assert!(weights(&one) == weights(&two));
    assert!(weights(&one) != weights(&other));
}

#[test]
fn a_resumed_training_ends_with_the_same_bytes() {
    let snapshot = Snapshot::new();
    let whole = snapshot.job("whole", learning());
    let (summary, _) = train_to_the_end(&whole);
    // during the first epoch, at its end, and during the second
    for stop_at in [1, 5, 12, 13, 20] {
        let name = format!("stopped-{stop_at}");
        let first = snapshot.job(&name, learning());
        let mut newest = None;
        let (outcome, _) = train(&first, |event| match event {
            Event::Checkpoint { step, file, .. } => {
                newest = Some(file.clone());
                if *step >= stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        });
        let Outcome::Stopped { step } = outcome else { panic!("training was not stopped at {stop_at}") };
        let second = TrainingJob { resume: newest, ..snapshot.job(&name, learning()) };
        let (resumed, events) = train_to_the_end(&second);
        assert_eq!((resumed.resumed_from_step, resumed.steps), (Some(step), summary.steps));
        assert!(step > 0 && events.iter().any(|event| matches!(event, Event::Resumed { .. })));
        assert!(weights(&second) == weights(&whole), "stopped at {stop_at}");
        assert_eq!(resumed.encoder, summary.encoder);
    }
}

#[test]
fn a_checkpoint_of_another_base_model_is_not_resumed() {
    let snapshot = Snapshot::new();
    let mut newest = None;
    let (outcome, _) = train(&snapshot.job("first", learning()), |event| {
        if let Event::Checkpoint { file, .. } = event {
            newest = Some(file.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(outcome, Outcome::Stopped { .. }));
    write_random(&snapshot.path("base"), 4).unwrap();
    let (summary, events) = train_to_the_end(&TrainingJob { resume: newest, ..snapshot.job("second", learning()) });
    assert_eq!(summary.resumed_from_step, None);
    let warned = |event: &Event| matches!(event, Event::Log { level: LogLevel::Warn, message } if message.contains("base_model"));
    assert!(events.iter().any(warned), "{events:?}");
}

#[test]
fn multiple_negatives_ranking_improves_the_encoder() {
    let snapshot = Snapshot::new();
    let mut params = learning();
    params["loss"] = json!("multiple-negatives");
    params["scale"] = json!(5.0);
    let (summary, _) = train_to_the_end(&snapshot.job("ranking", params));
    let encoder = summary.encoder.unwrap();
    assert_eq!(encoder.pairs, 45);
    assert!(encoder.trained.unwrap().average_precision > encoder.base.unwrap().average_precision);
}

#[test]
fn pairs_of_a_file_are_used_for_training_and_validation() {
    let snapshot = Snapshot::new();
    let pairs: String = (0..40)
        .map(|number| {
            let (a, b) = (["rent", "goods"][number % 2], ["rent", "goods"][number / 2 % 2]);
            let line = json!({
                "text_a": format!("{a} {}", number % 5), "text_b": format!("{b} {}", number % 3), "label": if a == b { 1.0 } else { 0.0 },
                "field": "kind", "split": if number < 30 { "train" } else { "validation" },
            });
            format!("{line}\n")
        })
        .collect();
    fs::write(snapshot.path("pairs.jsonl"), pairs).unwrap();
    let files = PairFiles { train: snapshot.path("pairs.jsonl"), validation: snapshot.path("pairs.jsonl") };
    let mut params = learning();
    params["examples_per_class"] = Value::Null;
    let job = TrainingJob { pairs: Some(files), ..snapshot.job("pairs", params) };
    let encoder = train_to_the_end(&job).0.encoder.unwrap();
    assert_eq!((encoder.pairs, encoder.validation_pairs), (30, 10));

    fs::write(snapshot.path("pairs.jsonl"), "{\"text_a\":\"a\",\"text_b\":\"b\",\"label\":7}\n").unwrap();
    let error = run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    assert_eq!(error.code(), "bad_dataset");
    assert!(error.to_string().contains("line 1") && error.to_string().contains("label"), "{error}");
}

#[test]
fn training_stops_early_if_validation_does_not_improve() {
    let snapshot = Snapshot::new();
    // so slow that nothing changes: no epoch is better than the first
    let params = json!({"epochs": 30, "learning_rate": 1e-9, "warmup": 0.0, "examples_per_class": 6, "batch": 8, "patience": 2});
    let (summary, _) = train_to_the_end(&snapshot.job("early", params));
    let encoder = summary.encoder.unwrap();
    assert_eq!((encoder.best_epoch, encoder.epochs), (Some(1), 3));
}

#[test]
fn invalid_jobs_are_rejected_with_a_reason() {
    let snapshot = Snapshot::new();
    let rejection = |job: TrainingJob| run(&job, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
    let mut unknown = serde_json::to_value(snapshot.job("bad", json!({}))).unwrap();
    unknown["params"]["folds"] = json!(3);
    fs::write(snapshot.path("job.json"), unknown.to_string()).unwrap();
    let error = TrainingJob::read(&snapshot.path("job.json")).unwrap_err();
    assert!(error.code() == "bad_params" && error.to_string().contains("folds"), "{error}");
    let error = rejection(TrainingJob { base_model: None, ..snapshot.job("none", json!({})) });
    assert!(error.to_string().contains("base_model"), "{error}");

    let job = snapshot.job("changed", json!({}));
    write_random(&snapshot.path("base"), 9).unwrap();
    assert!(rejection(job).to_string().contains("was changed"));

    let job = snapshot.job("gone", json!({}));
    fs::remove_file(snapshot.path("base/model.safetensors")).unwrap();
    assert_eq!(rejection(job).code(), "unknown_base_model");
    write_random(&snapshot.path("base"), 3).unwrap();

    fs::write(snapshot.path("train.jsonl"), lines(0, 1)).unwrap();
    assert_eq!(rejection(snapshot.job("few", json!({}))).code(), "no_trainable_field");
}

#[cfg(feature = "ndarray")]
#[test]
fn the_ndarray_back_end_gives_the_same_encoder_up_to_rounding() {
    let snapshot = Snapshot::new();
    let flex = snapshot.job("flex", learning());
    let ndarray = TrainingJob { backend: Backend::Ndarray, ..snapshot.job("ndarray", learning()) };
    let [(one, _), (other, _)] = [&flex, &ndarray].map(train_to_the_end);
    assert_eq!((one.backend.as_str(), other.backend.as_str()), ("flex", "ndarray"));
    let [one, other] = [one, other].map(|summary| summary.encoder.unwrap());
    let [base, found] = [&one, &other].map(|encoder| encoder.base.unwrap().average_precision);
    assert!((base - found).abs() < 1e-3, "{base} {found}");
    let [trained, found] = [&one, &other].map(|encoder| encoder.trained.unwrap().average_precision);
    assert!((trained - found).abs() < 0.02, "{trained} {found}");
    // compare vectors, not weights: where a gradient is only rounding noise, Adam takes full steps that do not affect the vectors
    let device = burn::tensor::Device::flex();
    let texts: Vec<String> = (0..18).map(|number| lines(2000 + number, 1)).collect();
    let vectors = [&flex, &ndarray].map(|job| Encoder::load(&job.out, &device).unwrap().encode(&texts, 8, &device).unwrap());
    for (a, b) in vectors[0].iter().zip(&vectors[1]) {
        let cosine: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.999, "{cosine}");
    }
}

#[test]
fn prompts_and_lowercasing_of_the_base_model_are_kept_and_stand_in_the_card() {
    let snapshot = Snapshot::new();
    let base = snapshot.path("base");
    let prompts = json!({"prompts": {"query": "Query: "}, "default_prompt_name": "query"});
    fs::write(base.join("config_sentence_transformers.json"), prompts.to_string()).unwrap();
    fs::write(base.join("sentence_bert_config.json"), r#"{"max_seq_length": 32, "do_lower_case": true}"#).unwrap();
    let job = snapshot.job("prompt", learning());
    train_to_the_end(&job);
    let read = |name: &str| serde_json::from_str::<Value>(&fs::read_to_string(job.out.join(name)).unwrap()).unwrap();
    let written = read("config_sentence_transformers.json");
    assert_eq!((&written["prompts"], &written["default_prompt_name"]), (&prompts["prompts"], &prompts["default_prompt_name"]));
    assert_eq!(read("sentence_bert_config.json"), json!({"max_seq_length": 32, "do_lower_case": true}));
    let card = fs::read_to_string(job.out.join("README.md")).unwrap();
    assert!(card.contains("- Base model: the default prompt `query`, \"Query: \""), "{card}");
    let device = burn::tensor::Device::flex();
    let [trained, base] = [&job.out, &base].map(|dir| Encoder::load(dir, &device).unwrap().tokens("rent"));
    assert_eq!(trained, base);
    assert!(trained.len() > Encoder::load(&snapshot.path("base"), &device).unwrap().tokens("").len());
}
