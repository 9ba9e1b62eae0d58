//! What an encoder is worth on the test split, beside the base model that it began as.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use aprendiz_test_gate::{self as gate, Point};
use burn::tensor::Device;
use encoder::{BaseModel, Embeddings, Encoder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    backend::Backend,
    dataset::Labels,
    error::TrainingError,
    job::TrainingJob,
    pool::in_pool,
    progress::{Event, LogLevel, Progress, Reporter, Stage},
    sentence_transformer::{
        neighbours::{self, Sample, Told},
        pairs::PairSet,
        score::{Encode, PairFigures, TEXTS_AT_ONCE, cosines, figures},
        train::load,
    },
};

/// Most pairs that are scored.
pub const MOST_TEST_PAIRS: usize = 4096;

/// Which encoder to evaluate, beside what and on what. Paths are the worker's own; nothing in them comes from a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationJob {
    /// Version of this file, that of training jobs.
    pub v: u32,
    /// Directory of the encoder.
    pub model: PathBuf,
    /// What it was trained from.
    pub base_model: BaseModel,
    /// Pairs of the test split; at most [`MOST_TEST_PAIRS`] of them are scored.
    pub pairs: PathBuf,
    /// `train.jsonl` of the snapshot: documents whose classes are known.
    pub known: PathBuf,
    /// `test.jsonl` of the snapshot: documents that are asked about.
    pub asked: PathBuf,
    /// `labels.json` of the snapshot.
    pub labels: PathBuf,
    /// Most documents of either that are encoded.
    pub most_documents: usize,
    /// File for the cosines of the pairs, as JSON lines.
    pub scores: PathBuf,
    /// Folder for work files; created if it is missing.
    pub work: PathBuf,
    /// Vectors of the base model that are known, and where to leave those that are not; `None` = all are computed.
    #[serde(default)]
    pub embeddings: Option<EmbeddingFiles>,
    /// Threads to compute with; 0 = as many as the machine has.
    #[serde(default)]
    pub threads: usize,
    /// Back end.
    #[serde(default)]
    pub backend: Backend,
}

/// Vectors that the base model made before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFiles {
    /// Files of [`encoder::Embeddings`], made on this back end and kernel. One that cannot be used is passed over.
    pub known: Vec<PathBuf>,
    /// Where the new ones are written; not written when there are none.
    pub fresh: PathBuf,
}

/// What known vectors were good for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUse {
    /// Vectors of the base model that were known.
    pub found: u64,
    /// Vectors of the base model that were computed for the first time, and written.
    pub computed: u64,
    /// Files that were of use.
    pub used: Vec<PathBuf>,
}

/// What an encoder is worth, beside its base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderReport {
    /// Pairs that were scored, of all fields.
    pub pairs: u64,
    /// Figures of the base model on them; `None` where they are not defined.
    pub base: Option<PairFigures>,
    /// Figures of the encoder on them.
    pub trained: Option<PairFigures>,
    /// Field by field, by name.
    pub fields: Vec<EncoderFieldReport>,
}

/// What an encoder is worth for one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EncoderFieldReport {
    /// The field.
    pub field: String,
    /// Its pairs.
    pub pairs: u64,
    /// Figures of the base model on them; `None` where they are not defined.
    pub base: Option<PairFigures>,
    /// Figures of the encoder on them.
    pub trained: Option<PairFigures>,
    /// How well nearest neighbours tell its classes.
    pub neighbours: Option<NeighbourFigures>,
}

/// How well the nearest neighbours of a document tell its class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeighbourFigures {
    /// Documents of train whose class is known.
    pub known: u64,
    /// Documents of test that were asked about.
    pub asked: u64,
    /// Share of them that the base model tells right.
    pub base: f64,
    /// Share of them that the encoder tells right.
    pub trained: f64,
    /// Share of them that have the most frequent class.
    pub majority: f64,
}

impl EvaluationJob {
    /// Reads a job file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_params` if it is not a job of a known version.
    pub fn read(path: &Path) -> Result<Self, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        let refuse = |reason: String| TrainingError::BadParams(format!("{}: {reason}", path.display()));
        let job: Self = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if job.v == TrainingJob::version() { Ok(job) } else { Err(refuse(format!("job version {} is not known", job.v))) }
    }
}

/// Evaluates an encoder; the only reading of the test split. `None` when `stop` became true meanwhile. `progress` is called on this thread.
///
/// # Errors
/// Every cause has a stable code, see [`TrainingError::code`].
pub fn evaluate(
    job: &EvaluationJob,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<EncoderReport>, TrainingError> {
    in_pool(job.threads, progress, |send| {
        let mut reporter = Reporter::new(send);
        let report = Evaluation::begin(job, stop, &mut reporter)?.run()?;
        match &report {
            Some((report, embeddings)) => reporter.send(Event::Evaluated { report: report.clone(), embeddings: embeddings.clone() }),
            None => reporter.stopped(0),
        }
        Ok(report.map(|(report, _)| report))
    })
}

/// What one model says.
struct Answers {
    cosines: Vec<f64>,
    told: BTreeMap<String, Told>,
}

struct Evaluation<'a, 'b> {
    job: &'a EvaluationJob,
    stop: &'a AtomicBool,
    reporter: &'a mut Reporter<'b>,
    device: Device,
    labels: Labels,
    known: Sample,
    asked: Sample,
    started: Instant,
    /// Texts encoded so far, by both models.
    encoded: usize,
}

impl<'a, 'b> Evaluation<'a, 'b> {
    fn begin(job: &'a EvaluationJob, stop: &'a AtomicBool, reporter: &'a mut Reporter<'b>) -> Result<Self, TrainingError> {
        Ok(Self {
            job,
            stop,
            reporter,
            device: job.backend.device()?,
            labels: Labels::read(&job.labels)?,
            known: Sample::of(&job.known, job.most_documents)?,
            asked: Sample::of(&job.asked, job.most_documents)?,
            started: Instant::now(),
            encoded: 0,
        })
    }

    fn run(mut self) -> Result<Option<(EncoderReport, EmbeddingUse)>, TrainingError> {
        let (reporter, started) = (&mut self.reporter, self.started);
        gate::pass(Point::Evaluation, || reporter.examples(Stage::Test, 0.0, 0, started));
        // one after the other: there is never more than one in memory
        let Some((base, embeddings)) = self.ask_base()? else { return Ok(None) };
        let encoder = Encoder::load(&self.job.model, &self.device)?;
        let device = self.device.clone();
        let mut encode = |texts: &[&[u32]]| encoder.encode_tokens(texts, TEXTS_AT_ONCE, &device);
        let Some((pairs, trained)) = self.ask(&encoder, &mut encode)? else { return Ok(None) };
        self.write_scores(&pairs, &base, &trained)?;
        Ok(Some((self.report(&pairs, &base, &trained), embeddings)))
    }

    /// The base model is the same in many runs, and most texts are: what it has said before is not computed again.
    fn ask_base(&mut self) -> Result<Option<(Answers, EmbeddingUse)>, TrainingError> {
        let (job, device) = (self.job, self.device.clone());
        let encoder = load(&job.base_model, &device)?;
        let mut embeddings = Embeddings::new(encoder.config().hidden_size);
        job.embeddings.iter().flat_map(|files| &files.known).for_each(|file| embeddings.add_file(file));
        let mut encode = |texts: &[&[u32]]| encoder.encode_remembered(texts, TEXTS_AT_ONCE, &device, &mut embeddings);
        let Some((_, answers)) = self.ask(&encoder, &mut encode)? else { return Ok(None) };
        for error in embeddings.refused() {
            self.reporter.log(LogLevel::Warn, format!("known vectors are passed over: {error}"));
        }
        let mut computed = embeddings.computed();
        if let Some(files) = job.embeddings.as_ref().filter(|_| computed > 0)
            && let Err(error) = embeddings.write_fresh(&files.fresh)
        {
            self.reporter.log(LogLevel::Warn, format!("the next run computes the same vectors again: {error}"));
            computed = 0;
        }
        let used = embeddings.used_files().map(Path::to_owned).collect();
        Ok(Some((answers, EmbeddingUse { found: embeddings.found(), computed, used })))
    }

    fn ask(&mut self, encoder: &Encoder, encode: &mut Encode<'_>) -> Result<Option<(PairSet, Answers)>, TrainingError> {
        let mut pairs = PairSet::read(&self.job.pairs, "test", encoder, &self.job.work)?;
        pairs.limit(MOST_TEST_PAIRS);
        // what is read by both, twice
        let all = 2 * (pairs.texts.len() + self.known.len() + self.asked.len()).max(1);
        let before = self.encoded;
        let Some(cosines) = cosines(&pairs, encode, |done| self.go_on(before + done, all))? else {
            return Ok(None);
        };
        let job = self.job;
        let (known, asked) = (self.known, self.asked);
        let mut few = |count: usize| self.go_on(self.encoded + count, all);
        let Some(known) = neighbours::encode(&job.known, known, encoder, encode, &mut few)? else { return Ok(None) };
        let Some(asked) = neighbours::encode(&job.asked, asked, encoder, encode, &mut few)? else { return Ok(None) };
        let told = neighbours::tell(&known, &asked, &self.labels);
        Ok(Some((pairs, Answers { cosines, told })))
    }

    fn go_on(&mut self, encoded: usize, all: usize) -> bool {
        self.encoded = encoded;
        self.reporter.examples(Stage::Test, encoded as f64 / all as f64, encoded, self.started);
        !self.stop.load(Ordering::Relaxed)
    }

    /// A line per pair, by its number in the file of the snapshot, without its texts.
    fn write_scores(&self, pairs: &PairSet, base: &Answers, trained: &Answers) -> Result<(), TrainingError> {
        let path = &self.job.scores;
        let mut out = BufWriter::new(File::create(path).map_err(TrainingError::io(path))?);
        for (pair, (base, trained)) in pairs.pairs.iter().zip(base.cosines.iter().zip(&trained.cosines)) {
            let field = &pairs.fields[pair.field as usize];
            let line = json!({ "pair": pair.number, "field": field, "label": pair.label, "base": base, "trained": trained });
            writeln!(out, "{line}").map_err(TrainingError::io(path))?;
        }
        out.flush().map_err(TrainingError::io(path))
    }

    fn report(&self, pairs: &PairSet, base: &Answers, trained: &Answers) -> EncoderReport {
        let of = |answers: &Answers, field: Option<&str>| {
            let scored = pairs.pairs.iter().zip(answers.cosines.iter().copied());
            figures(scored.filter(|(pair, _)| field.is_none_or(|field| pairs.fields[pair.field as usize] == field)))
        };
        let field = |field: &String| {
            let told = base.told.get(field).zip(trained.told.get(field));
            EncoderFieldReport {
                field: field.clone(),
                pairs: pairs.pairs.iter().filter(|pair| pairs.fields[pair.field as usize] == *field).count() as u64,
                base: of(base, Some(field)),
                trained: of(trained, Some(field)),
                neighbours: told.map(|(base, trained)| NeighbourFigures {
                    known: trained.known,
                    asked: trained.asked,
                    base: base.accuracy,
                    trained: trained.accuracy,
                    majority: trained.majority,
                }),
            }
        };
        EncoderReport {
            pairs: pairs.pairs.len() as u64,
            base: of(base, None),
            trained: of(trained, None),
            fields: self.labels.fields.keys().map(field).collect(),
        }
    }
}
