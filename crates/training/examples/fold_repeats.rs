//! Coverage over seeds: trains the kind `linear` on one field of a Label Studio export, with one partition into folds and with several.
//!
//! `fold_repeats EXPORT.json.gz FIELD [REPEATS…]` prints, for seeds 1 to 10, the coverage on unseen examples (out of fold, and validation) and the coverage and accuracy on a
//! test split that training does not see. Splits are 70 / 15 / 15 by a hash of the task id. The column `bound` is the coverage of the
//! lowest threshold whose own 95 % lower bound reaches the target: no procedure that keeps the promise can expect more.

use std::{collections::BTreeMap, error::Error, fs, io::Write, path::Path, sync::atomic::AtomicBool, time::Instant};

use aprendiz_evaluation::{ScoreCurve, ScoredExample, clopper_pearson_lower, count_groups, select_threshold, selective};
use aprendiz_run_spec::{Backend, FinalFit, LinearParams, TrainingParams};
use aprendiz_training::{OUT_OF_FOLD_FILE, Outcome, ReportRow, TrainingJob, VALIDATION_FILE, run};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

const TARGET: f64 = 0.95;
const SEEDS: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [export, field, repeats @ ..] = &arguments[..] else { return Err("usage: fold_repeats EXPORT.json.gz FIELD [REPEATS…]".into()) };
    let mut repeats: Vec<usize> = repeats.iter().map(|count| count.parse()).collect::<Result<_, _>>()?;
    if repeats.is_empty() {
        repeats = vec![1, 5];
    }
    let dir = std::env::temp_dir().join(format!("fold-repeats-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    convert(export, field, &dir)?;
    println!("| repeats | seed | coverage on unseen examples | bound | test accuracy | test coverage | test selective accuracy | s |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for repeats in repeats {
        let mut coverages = Vec::new();
        for seed in 1..=SEEDS {
            coverages.push(measure(&dir, repeats, seed)?);
        }
        coverages.sort_by(f64::total_cmp);
        let median = f64::midpoint(coverages[coverages.len() / 2 - 1], coverages[coverages.len() / 2]);
        println!("| {repeats} | median {median:.3}, from {:.3} to {:.3} | | | | | | |", coverages[0], coverages[coverages.len() - 1]);
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Writes the splits and the labels of a snapshot with one field.
fn convert(export: &str, field: &str, dir: &Path) -> Result<(), Box<dyn Error>> {
    let tasks: Vec<Value> = serde_json::from_reader(GzDecoder::new(fs::File::open(export)?))?;
    let mut files = [
        fs::File::create(dir.join("train.jsonl"))?,
        fs::File::create(dir.join("validation.jsonl"))?,
        fs::File::create(dir.join("test.jsonl"))?,
    ];
    let mut train_labels: BTreeMap<String, usize> = BTreeMap::new();
    for task in &tasks {
        let results = task["annotations"][0]["result"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(label) =
            results.iter().find(|item| item["from_name"].as_str() == Some(field)).and_then(|item| item["value"]["choices"][0].as_str())
        else {
            continue;
        };
        let hash = task["id"].as_u64().ok_or("a task has no id")?.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let file = match hash % 100 {
            0..70 => 0,
            70..85 => 1,
            _ => 2,
        };
        if file == 0 {
            *train_labels.entry(label.to_owned()).or_default() += 1;
        }
        let id = task["id"].to_string();
        let line = json!({ "document_id": id, "group": id, "text": task["data"]["text"], "fields": { field: { "value": [label] } } });
        writeln!(files[file], "{line}")?;
    }
    let labels: Vec<&String> = train_labels.iter().filter(|(_, count)| **count >= 2).map(|(label, _)| label).collect();
    fs::write(dir.join("labels.json"), json!({ "v": 1, "fields": { field: { "labels": labels } }, "left_out": [] }).to_string())?;
    Ok(())
}

/// Trains once, prints a row and returns the coverage on unseen examples.
fn measure(dir: &Path, fold_repeats: usize, seed: u64) -> Result<f64, Box<dyn Error>> {
    let job = TrainingJob {
        v: TrainingJob::version(),
        seed,
        target_accuracy: TARGET,
        params: TrainingParams::Linear(LinearParams { final_fit: FinalFit::Train, fold_repeats, ..LinearParams::default() }),
        train: dir.join("train.jsonl"),
        train_fraction: None,
        whole_fit: None,
        validation: dir.join("validation.jsonl"),
        labels: dir.join("labels.json"),
        base_model: None,
        pairs: None,
        out: dir.join("model"),
        reports: dir.join("reports"),
        checkpoints: dir.join("checkpoints"),
        checkpoint_seconds: 3600.0,
        resume: None,
        embeddings: None,
        threads: 0,
        backend: Backend::Auto,
    };
    let started = Instant::now();
    let Outcome::Trained(_) = run(&job, &AtomicBool::new(false), &mut |_| {})? else { return Err("training was stopped".into()) };
    let seconds = started.elapsed().as_secs_f64();
    let scored = |file| -> Result<Vec<ScoredExample>, Box<dyn Error>> {
        Ok(ReportRow::read_all(&job.reports.join(file))?.into_iter().map(ScoredExample::from).collect())
    };
    // as in the product: the thresholds come from both, the test split is only scored
    let mut unseen = scored(OUT_OF_FOLD_FILE)?;
    unseen.extend(scored(VALIDATION_FILE)?);
    let job = TrainingJob { validation: dir.join("test.jsonl"), ..job.clone() };
    run(&job, &AtomicBool::new(false), &mut |_| {})?;
    let test = scored(VALIDATION_FILE)?;
    let curve = ScoreCurve::new(&unseen);
    let threshold = select_threshold(&curve, TARGET);
    let reaches =
        |answered: u64, correct: u64| clopper_pearson_lower(correct, answered, 0.95).is_some_and(|lower_bound| lower_bound >= TARGET);
    let bound = curve.steps.iter().filter(|step| reaches(step.answered, step.correct)).map(|step| step.answered).max().unwrap_or(0);
    let answers = selective(&test, threshold.value().unwrap_or(f64::INFINITY));
    let correct = test.iter().filter(|example| example.is_correct()).count();
    println!(
        "| {fold_repeats} | {seed} | {:.3} | {:.3} of {} | {:.3} | {:.3} | {} | {seconds:.1} |",
        threshold.coverage(),
        bound as f64 / curve.n as f64,
        count_groups(&unseen),
        correct as f64 / test.len() as f64,
        answers.coverage.unwrap_or(0.0),
        answers.selective_accuracy.map_or_else(|| "–".to_owned(), |accuracy| format!("{accuracy:.3}")),
    );
    Ok(threshold.coverage())
}
