//! Trains an encoder on labelled texts and compares it with its base model on held-out texts.
//!
//! `train_encoder BASE_MODEL TEXTS.jsonl.gz OUT [FOLD/FOLDS] [PARAMS]`, with lines of `{"id","text","label"}`, holds out `FOLD` (from 0) of
//! `FOLDS` (default: 5). `BASE_MODEL` is a directory. `PARAMS` is the JSON of a run spec's `params`.
//!
//! `train_encoder BASE_MODEL PAIRS.jsonl OUT [PARAMS]`, with lines of `{"text_a","text_b","label","split"}`, trains on given pairs. The
//! environment variables `THREADS`, `SEED` and `BACKEND` set the number of threads (default: all), the seed (42) and the back end (auto).
//! With pairs, the last line is a JSON object: the losses of the steps, average precision on held-out pairs, and training speed in pairs
//! per second and per CPU second, without reading and writing.

use std::{
    collections::BTreeSet,
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::atomic::AtomicBool,
    time::Instant,
};

use aprendiz_encoder::{BaseModel, BaseModelCaches, Encoder};
use aprendiz_evaluation::{Label, knn_accuracy};
use aprendiz_run_spec::{Backend, SentenceTransformerParams, TrainingParams};
use aprendiz_training::{Event, Outcome, PairFiles, Stage, TrainingJob, run};
use burn::tensor::Device;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::json;

// same allocator as in the worker
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of neighbours that vote on the class.
const NEIGHBOURS: usize = 5;

#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
    label: String,
}

fn read(path: &str) -> Result<Vec<Text>, Box<dyn Error>> {
    BufReader::new(GzDecoder::new(File::open(path)?)).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn write(path: &Path, texts: &[&Text]) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(File::create(path)?);
    for text in texts {
        let line = json!({"document_id": text.id, "text": text.text, "fields": {"label": {"value": [text.label]}}});
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// Accuracy of a k-nearest-neighbour classifier on the held-out texts, with the other texts as index.
fn knn(model: &Path, known: &[&Text], held: &[&Text]) -> Result<Option<f64>, Box<dyn Error>> {
    let device = Device::flex();
    let encoder = Encoder::load(model, &device)?;
    let vectors = |texts: &[&Text]| encoder.encode(&texts.iter().map(|text| text.text.as_str()).collect::<Vec<_>>(), 16, &device);
    let labels = |texts: &[&Text]| texts.iter().map(|text| Some(text.label.clone())).collect::<Vec<Label>>();
    let (known_vectors, held_vectors) = (vectors(known)?, vectors(held)?);
    let (known_labels, held_labels) = (labels(known), labels(held));
    let known: Vec<(&[f32], &Label)> = known_vectors.iter().map(Vec::as_slice).zip(&known_labels).collect();
    let held: Vec<(&[f32], &Label)> = held_vectors.iter().map(Vec::as_slice).zip(&held_labels).collect();
    Ok(knn_accuracy(&known, &held, NEIGHBOURS))
}

/// CPU time of this process in seconds; 0 if the system does not report it.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the program name, in brackets, may contain spaces; user and system time are the 12th and 13th field after it, in hundredths
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, texts, out, rest @ ..] = arguments.as_slice() else {
        return Err("usage: train_encoder BASE_MODEL TEXTS OUT [FOLD/FOLDS] [PARAMS]".into());
    };
    let params = rest.iter().find(|argument| argument.starts_with('{'));
    let params = params.map_or(Ok(SentenceTransformerParams::default()), |params| serde_json::from_str(params))?;
    let batch = params.batch;
    let fold = rest.iter().find_map(|argument| argument.split_once('/')).unwrap_or(("0", "5"));
    let (fold, folds): (usize, usize) = (fold.0.parse()?, fold.1.parse()?);

    let given = texts.ends_with(".jsonl");
    let texts_path = texts;
    let texts = if given { Vec::new() } else { read(texts)? };
    // each class is distributed over the folds
    let mut sorted: Vec<&Text> = texts.iter().collect();
    sorted.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
    let part =
        |inside: bool| sorted.iter().enumerate().filter(|(index, _)| (index % folds == fold) == inside).map(|(_, text)| *text).collect();
    let (known, held): (Vec<&Text>, Vec<&Text>) = (part(false), part(true));

    let out = Path::new(out);
    fs::create_dir_all(out)?;
    write(&out.join("train.jsonl"), &known)?;
    fs::write(out.join("validation.jsonl"), "")?;
    let labels: BTreeSet<&str> = texts.iter().map(|text| text.label.as_str()).collect();
    fs::write(out.join("labels.json"), json!({"v": 1, "fields": {"label": {"labels": labels}}, "left_out": []}).to_string())?;
    let job = TrainingJob {
        v: TrainingJob::version(),
        seed: std::env::var("SEED").map_or(Ok(42), |seed| seed.parse())?,
        target_accuracy: 0.95,
        params: TrainingParams::SentenceTransformer(params),
        train: out.join("train.jsonl"),
        train_fraction: None,
        whole_fit: None,
        validation: out.join("validation.jsonl"),
        labels: out.join("labels.json"),
        base_model: Some(BaseModel::find(&fs::canonicalize(base)?.display().to_string(), &BaseModelCaches::default())?),
        pairs: given.then(|| PairFiles { train: texts_path.into(), validation: texts_path.into() }),
        out: out.join("model"),
        reports: out.join("reports"),
        checkpoints: out.join("checkpoints"),
        checkpoint_seconds: 3600.0,
        resume: None,
        embeddings: None,
        threads: std::env::var("THREADS").map_or(Ok(0), |threads| threads.parse())?,
        backend: std::env::var("BACKEND").map_or(Ok(Backend::Auto), |name| serde_json::from_value(json!(name)))?,
    };
    let started = Instant::now();
    let mut last_report = Instant::now();
    let mut losses = Vec::new();
    let (mut read_cpu, mut last) = (0.0, (0, 0.0, 0.0));
    let outcome = run(&job, &AtomicBool::new(false), &mut |line| match line.event {
        Event::Progress { stage: Stage::Features | Stage::Validation, step: 0, .. } => read_cpu = cpu_seconds(),
        Event::Progress { step, loss: Some(loss), examples_per_second: Some(rate), seconds_left, .. } => {
            losses.push((loss * 1e4).round() / 1e4);
            last = (step, rate, cpu_seconds());
            if last_report.elapsed().as_secs() < 5 {
                return;
            }
            last_report = Instant::now();
            eprintln!(
                "{:7.1} s step {step} loss {loss:.4} {rate:.2} pairs/s, {:.0} s left",
                started.elapsed().as_secs_f64(),
                seconds_left.unwrap_or(0.0)
            );
        }
        Event::Log { message, .. } => eprintln!("{message}"),
        _ => {}
    })?;
    let Outcome::Trained(summary) = outcome else { return Err("training was stopped".into()) };
    println!("{}", serde_json::to_string_pretty(&summary)?);
    if given {
        let metrics = summary.encoder.map(|encoder| (encoder.base, encoder.trained));
        let precision = |metrics: Option<aprendiz_training::PairMetrics>| metrics.map(|metrics| metrics.average_precision);
        let (base, trained) = metrics.map_or((None, None), |(base, trained)| (precision(base), precision(trained)));
        let (steps, pairs_per_s, cpu) = last;
        println!(
            "{}",
            json!({
                "seed": job.seed, "average_precision": {"base": base, "trained": trained}, "losses": losses, "last_loss": losses.last(),
                "pairs_per_s": pairs_per_s, "pairs_per_cpu_s": steps as f64 * batch as f64 / (cpu - read_cpu),
            })
        );
        return Ok(());
    }
    for (name, model) in [("base", Path::new(base)), ("trained", &job.out)] {
        let accuracy = knn(model, &known, &held)?;
        println!("{name}: accuracy of {NEIGHBOURS} nearest neighbours {accuracy:.4?} on {} of {} texts", held.len(), texts.len());
    }
    Ok(())
}
