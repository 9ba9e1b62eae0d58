//! Accuracy and cost of the kinds `field-classifier` and `linear` on labelled texts.
//!
//! `classifier BASE_MODEL CACHE TRAIN.jsonl.gz [TEST.jsonl.gz] [PARAMS…]`, with lines of `{"id","text","label"}`, or
//! `classifier BASE_MODEL CACHE EXPORT.json.gz FIELD… [PARAMS…]`, with a Label Studio export. Each of `PARAMS` is the JSON of a run spec's
//! `params`, with `"kind": "linear"` for that kind; they are measured one after the other. Prints a line of JSON for each: seconds, memory,
//! and per field the scores out of fold, and those on the test file if there is one. `CACHE` is a folder for vectors: later calls do not
//! compute them again. `THREADS` (0: all cores).

use std::{
    collections::BTreeMap,
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Instant,
};

use aprendiz_encoder::{BaseModel, BaseModelCaches};
use aprendiz_evaluation::{ReportOptions, ScoreCurve, ScoredExample, TargetRow, report};
use aprendiz_run_spec::{Backend, RunKind, TrainingParams};
use aprendiz_training::{EmbeddingFiles, EmbeddingUse, Event, OUT_OF_FOLD_FILE, Outcome, ReportRow, TrainingJob, VALIDATION_FILE, run};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

const TARGET: f64 = 0.95;
/// Labels with fewer examples are left out of an export.
const MIN_SUPPORT: usize = 4;
const USAGE: &str = "usage: classifier BASE_MODEL CACHE TRAIN.jsonl.gz [TEST.jsonl.gz] [PARAMS…], or EXPORT.json.gz FIELD… [PARAMS…]";

type AnyError = Box<dyn Error>;

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (params, names): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|argument| argument.starts_with('{'));
    let [base, cache, data, rest @ ..] = &names[..] else { return Err(USAGE.into()) };
    let base = BaseModel::find(base, &BaseModelCaches::default())?;
    let dir = tempfile::tempdir()?;
    fs::create_dir_all(cache)?;
    fs::write(dir.path().join("validation.jsonl"), "")?;
    let labels = if data.ends_with(".json.gz") {
        convert_export(data, rest, &dir.path().join("train.jsonl"))?
    } else {
        let labels = convert_lines(data, &dir.path().join("train.jsonl"))?;
        if let [test] = rest {
            convert_lines(test, &dir.path().join("validation.jsonl"))?;
        }
        labels
    };
    fs::write(dir.path().join("labels.json"), json!({"v": 1, "fields": labels, "left_out": []}).to_string())?;
    let default = "{}".to_owned();
    for params in if params.is_empty() { vec![&default] } else { params } {
        measure(dir.path(), &base, Path::new(cache), params)?;
    }
    Ok(())
}

/// Trains with the parameters and prints a line per field.
fn measure(dir: &Path, base: &BaseModel, cache: &Path, params: &str) -> Result<(), AnyError> {
    let mut parsed: Map<String, Value> = serde_json::from_str(params)?;
    let kind = match parsed.remove("kind") {
        Some(kind) => serde_json::from_value(kind)?,
        None => RunKind::FieldClassifier,
    };
    let parsed = TrainingParams::parse(kind, &parsed)?.ok_or("the kind trains nothing")?.for_trial();
    let out = tempfile::tempdir_in(dir)?;
    let fresh = cache.join("new");
    let known: Vec<PathBuf> = fs::read_dir(cache)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    let job = TrainingJob {
        v: TrainingJob::version(),
        seed: 42,
        target_accuracy: TARGET,
        base_model: parsed.needs_base_model().then(|| base.clone()),
        params: parsed,
        train: dir.join("train.jsonl"),
        train_fraction: None,
        whole_fit: None,
        validation: dir.join("validation.jsonl"),
        labels: dir.join("labels.json"),
        pairs: None,
        out: out.path().join("model"),
        reports: out.path().join("reports"),
        checkpoints: out.path().join("checkpoints"),
        checkpoint_seconds: 3600.0,
        resume: None,
        embeddings: Some(EmbeddingFiles { known, fresh: fresh.clone() }),
        threads: std::env::var("THREADS").map_or(Ok(0), |threads| threads.parse())?,
        backend: Backend::Flex,
    };
    let (started, (cpu_before, _)) = (Instant::now(), usage()?);
    let (mut embedded, mut embedded_cpu) = (EmbeddingUse::default(), None);
    let outcome = run(&job, &AtomicBool::new(false), &mut |line| match line.event {
        Event::Embedded { embeddings } => embedded = embeddings,
        Event::Progress { field: Some(_), .. } if embedded_cpu.is_none() => embedded_cpu = usage().ok().map(|(cpu, _)| cpu - cpu_before),
        _ => {}
    })?;
    let Outcome::Trained(_) = outcome else { return Err("training was stopped".into()) };
    let ((cpu, peak), seconds) = (usage()?, started.elapsed().as_secs_f64());
    if fresh.exists() {
        fs::rename(&fresh, cache.join(format!("{}.safetensors", fs::read_dir(cache)?.count())))?;
    }
    let mut splits = Map::new();
    for (split, file) in [("out_of_fold", OUT_OF_FOLD_FILE), ("test", VALIDATION_FILE)] {
        let mut fields: BTreeMap<String, Vec<ScoredExample>> = BTreeMap::new();
        for row in ReportRow::read_all(&job.reports.join(file))? {
            fields.entry(row.field.clone()).or_default().push(row.into());
        }
        let scores = fields.into_iter().map(|(field, examples)| {
            let curve = TargetRow::new(&ScoreCurve::new(&examples), TARGET);
            let report = report(&field, &examples, &ReportOptions { majority: None, threshold: curve.threshold.value() });
            let scores = json!({
                "n": report.n, "accuracy": report.accuracy, "macro_f1": report.macro_f1, "log_loss": report.log_loss,
                "coverage_at_0.95": curve.coverage,
            });
            (field, scores)
        });
        splits.insert(split.to_owned(), scores.collect::<Map<_, _>>().into());
    }
    let line = json!({
        "params": params, "train_s": seconds, "train_cpu_s": cpu - cpu_before, "embed_cpu_s": embedded_cpu, "process_peak_mb": peak,
        "vectors": { "computed": embedded.computed, "cached": embedded.found }, "splits": splits,
    });
    println!("{line}");
    Ok(())
}

/// Converts a file of labelled texts to a split of a snapshot. Returns its field for `labels.json`.
fn convert_lines(from: &str, to: &Path) -> Result<Value, AnyError> {
    let mut labels = Vec::new();
    let mut out = BufWriter::new(File::create(to)?);
    for line in BufReader::new(GzDecoder::new(File::open(from)?)).lines() {
        let text: Value = serde_json::from_str(&line?)?;
        let (id, label) = (&text["id"], text["label"].as_str().ok_or("a line has no label")?);
        writeln!(out, "{}", json!({"document_id": id, "group": id, "text": text["text"], "fields": {"label": {"value": [label]}}}))?;
        labels.push(label.to_owned());
    }
    labels.sort();
    labels.dedup();
    out.flush()?;
    Ok(json!({ "label": { "labels": labels } }))
}

/// Converts fields of a Label Studio export to the train split of a snapshot. A task without an item of a field has no value. Returns the
/// fields for `labels.json`.
fn convert_export(from: &str, fields: &[&String], to: &Path) -> Result<Value, AnyError> {
    let tasks: Vec<Value> = serde_json::from_reader(BufReader::new(GzDecoder::new(File::open(from)?)))?;
    let mut out = BufWriter::new(File::create(to)?);
    let mut counts: BTreeMap<&str, BTreeMap<Option<String>, usize>> = BTreeMap::new();
    for task in &tasks {
        let results = task["annotations"][0]["result"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut values = Map::new();
        for field in fields {
            let item = results.iter().find(|item| item["from_name"] == field.as_str());
            let label = item.and_then(|item| item["value"]["choices"][0].as_str());
            values.insert((*field).clone(), json!({ "value": label.into_iter().collect::<Vec<_>>() }));
            *counts.entry(field).or_default().entry(label.map(ToOwned::to_owned)).or_default() += 1;
        }
        let id = task["id"].to_string();
        writeln!(out, "{}", json!({"document_id": id, "group": id, "text": task["data"]["text"], "fields": values}))?;
    }
    out.flush()?;
    let labels = counts.into_iter().map(|(field, labels)| {
        let kept: Vec<Option<String>> = labels.into_iter().filter(|(_, count)| *count >= MIN_SUPPORT).map(|(label, _)| label).collect();
        (field.to_owned(), json!({ "labels": kept }))
    });
    Ok(Value::Object(labels.collect()))
}

/// CPU time of this process in seconds, and its peak memory in MB.
fn usage() -> Result<(f64, u64), AnyError> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // the program name, in brackets, may contain spaces; user and system time are the 12th and 13th field after it, in hundredths
    let after_name = stat.rsplit_once(')').ok_or("/proc/self/stat has no program name")?.1;
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok((ticks / 100.0, peak.ok_or("/proc/self/status has no VmHWM")? / 1024))
}
