//! Accuracy and speed of the kind `linear` on labelled texts, for benchmarks.
//!
//! `score TRAIN.jsonl.gz [TEST.jsonl.gz] [PARAMS] [SECONDS]`, with lines of `{"id","text","label"}`. Without a test file, reports
//! out-of-fold metrics; with one, the last line is a JSON object for `deploy/bench/linear.sh`. `PARAMS` is the JSON of a run spec's
//! `params`, `SECONDS` the minimum time between two checkpoints (default: 15).

use std::{
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::atomic::AtomicBool,
    time::Instant,
};

use aprendiz_evaluation::ScoredExample;
use aprendiz_inference::{Model, NgramCounter};
use aprendiz_run_spec::{Backend, RunKind, TrainingParams};
use aprendiz_training::{Event, OUT_OF_FOLD_FILE, Outcome, ReportRow, TrainingJob, VALIDATION_FILE, run};
use flate2::read::GzDecoder;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Map, json};

#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
    label: String,
}

/// Converts a file of labelled texts to a split of a snapshot. Returns its labels.
fn convert(from: &str, to: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut labels = Vec::new();
    let mut out = BufWriter::new(File::create(to)?);
    for line in BufReader::new(GzDecoder::new(File::open(from)?)).lines() {
        let text: Text = serde_json::from_str(&line?)?;
        let line = json!({
            "document_id": text.id, "group": text.id, "text": text.text, "fields": {"label": {"value": [text.label]}}
        });
        writeln!(out, "{line}")?;
        labels.push(text.label);
    }
    labels.sort();
    labels.dedup();
    out.flush()?;
    Ok(labels)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let params = match arguments.iter().find(|argument| argument.starts_with('{')) {
        Some(params) => serde_json::from_str(params)?,
        None => Map::new(),
    };
    let params = TrainingParams::parse(RunKind::Linear, &params)?.ok_or("kind linear trains")?;
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(15.0);
    arguments.retain(|argument| !argument.starts_with('{') && argument.parse::<f64>().is_err());
    let train = arguments.first().ok_or("usage: score TRAIN.jsonl.gz [TEST.jsonl.gz] [PARAMS] [SECONDS]")?;

    let dir = std::env::temp_dir().join(format!("score-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let labels = convert(train, &dir.join("train.jsonl"))?;
    match arguments.get(1) {
        Some(test) => drop(convert(test, &dir.join("validation.jsonl"))?),
        None => fs::write(dir.join("validation.jsonl"), "")?,
    }
    let labels = json!({"v": 1, "fields": {"label": {"labels": labels}}, "left_out": []});
    fs::write(dir.join("labels.json"), labels.to_string())?;
    let job = TrainingJob {
        v: TrainingJob::version(),
        seed: 42,
        target_accuracy: 0.95,
        params: params.for_trial(),
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
        checkpoint_seconds: seconds,
        resume: None,
        embeddings: None,
        threads: 0,
        backend: Backend::Auto,
    };
    let started = Instant::now();
    let mut stage = None;
    let outcome = run(&job, &AtomicBool::new(false), &mut |line| match line.event {
        Event::Progress { stage: next, fold, epoch, loss, .. } if stage != Some((next, fold)) => {
            eprintln!("{:7.2} s {next:?} {fold:?} epoch {epoch:?} loss {loss:?}", started.elapsed().as_secs_f64());
            stage = Some((next, fold));
        }
        Event::Checkpoint { step, bytes, .. } => {
            eprintln!("{:7.2} s checkpoint at step {step}, {bytes} bytes", started.elapsed().as_secs_f64());
        }
        _ => {}
    })?;
    let (trained, (cpu, peak)) = (started.elapsed().as_secs_f64(), usage()?);
    let Outcome::Trained(summary) = outcome else { return Err("training was stopped".into()) };
    println!("{}", serde_json::to_string_pretty(&summary)?);
    let scored = |file| -> Result<Vec<ScoredExample>, Box<dyn Error>> {
        Ok(ReportRow::read_all(&job.reports.join(file))?.into_iter().map(ScoredExample::from).collect())
    };
    let (out_of_fold, test) = (scored(OUT_OF_FOLD_FILE)?, scored(VALIDATION_FILE)?);
    // the threshold is selected on out-of-fold scores, never on the test
    let threshold = aprendiz_evaluation::choose_threshold(&out_of_fold, job.target_accuracy).value();
    let mut test_accuracy = None;
    for (name, examples) in [("out of fold", out_of_fold), ("test", test)] {
        let options = aprendiz_evaluation::ReportOptions { majority: None, threshold };
        let report = aprendiz_evaluation::report("label", &examples, &options);
        println!(
            "{name}: n {} accuracy {:.4?} macro_f1 {:.4?} ece {:.4?} log_loss {:.4?} coverage {:.4?} selective {:.4?}",
            report.n, report.accuracy, report.macro_f1, report.ece, report.log_loss, report.coverage, report.selective_accuracy
        );
        test_accuracy = report.accuracy;
    }
    if let Some(test) = arguments.get(1) {
        let (seconds, predicted) = measure_prediction(&job.out, test)?;
        let accuracy = test_accuracy.ok_or("the test file has no labelled text")?;
        println!(
            "{}",
            json!({"accuracy": accuracy, "train_s": trained, "train_cpu_s": cpu, "predictions_per_s": (predicted as f64 / seconds).round(), "peak_mb": peak})
        );
    }
    fs::remove_dir_all(&dir)?;
    Ok(())
}

/// CPU time of this process in seconds, and its peak memory in MB.
fn usage() -> Result<(f64, u64), Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // the program name, in brackets, may contain spaces; user and system time are the 12th and 13th field after it, in hundredths
    let after_name = stat.rsplit_once(')').ok_or("/proc/self/stat has no program name")?.1;
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok((ticks / 100.0, peak.ok_or("/proc/self/status has no VmHWM")? / 1024))
}

/// Time in seconds to predict all texts of a file on all cores, and the number of texts.
fn measure_prediction(model: &Path, texts: &str) -> Result<(f64, usize), Box<dyn Error>> {
    let model = Model::load_unpublished(model)?;
    let lines: Vec<String> = BufReader::new(GzDecoder::new(File::open(texts)?)).lines().collect::<Result<_, _>>()?;
    let texts: Vec<Text> = lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let predictions: usize =
        texts.par_iter().map_init(NgramCounter::new, |counter, text| model.predict_with(counter, &text.text).len()).sum();
    Ok((started.elapsed().as_secs_f64(), predictions))
}
