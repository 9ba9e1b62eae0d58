//! Evaluates an encoder and its base model on the test split.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufWriter, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use aprendiz_encoder::Encoder;
use aprendiz_test_gate::{self as gate, Point};
use burn::tensor::Device;
use serde_json::json;

use crate::{
    backend::device,
    dataset::Labels,
    embeddings,
    error::TrainingError,
    kinds::sentence_transformer::{
        knn::{self, KnnResult, Sample},
        pair_metrics::{ENCODE_BATCH, Encode, cosine_similarities, pair_metrics},
        pairs::PairSet,
        train::load,
    },
    protocol::{
        embedding_files::EmbeddingUse,
        encoder_report::{EncoderFieldReport, EncoderReport, KnnMetrics},
        evaluation_job::EncoderEvaluation,
        progress::{Event, Progress, Stage},
        reporter::Reporter,
    },
    text_groups::TextGroups,
    thread_pool::run_in_pool,
};

/// Maximum number of test pairs that are scored.
pub const MAX_TEST_PAIRS: usize = 4096;

/// Evaluates an encoder. Nothing else reads the test split. Returns `None` if `stop` became true. `progress` runs on the calling thread.
///
/// # Errors
/// Every error has a stable code, see [`TrainingError::code`].
pub fn evaluate_encoder(
    job: &EncoderEvaluation,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<EncoderReport>, TrainingError> {
    run_in_pool(job.threads, progress, |send| {
        let mut reporter = Reporter::new(send);
        let report = Evaluation::new(job, stop, &mut reporter)?.run()?;
        reporter.flush();
        match &report {
            Some((report, embeddings)) => reporter.send(Event::Evaluated { report: report.clone(), embeddings: embeddings.clone() }),
            None => reporter.stopped(0),
        }
        Ok(report.map(|(report, _)| report))
    })
}

/// Results of one model.
struct Scores {
    /// Number of pairs left out as copies, by field of the pairs.
    copies: HashMap<u32, u64>,
    cosines: Vec<f64>,
    knn: BTreeMap<String, KnnResult>,
}

struct Evaluation<'a, 'b> {
    job: &'a EncoderEvaluation,
    stop: &'a AtomicBool,
    reporter: &'a mut Reporter<'b>,
    device: Device,
    labels: Labels,
    index: Sample,
    queries: Sample,
    /// Groups of near-duplicates of the test split.
    groups: TextGroups,
    started: Instant,
    /// Texts encoded so far, by both models.
    encoded: usize,
}

impl<'a, 'b> Evaluation<'a, 'b> {
    fn new(job: &'a EncoderEvaluation, stop: &'a AtomicBool, reporter: &'a mut Reporter<'b>) -> Result<Self, TrainingError> {
        Ok(Self {
            job,
            stop,
            reporter,
            device: device(job.backend)?,
            labels: Labels::read(&job.labels)?,
            index: Sample::new(&job.index, job.max_documents)?,
            queries: Sample::new(&job.queries, job.max_documents)?,
            groups: TextGroups::read(&job.queries)?,
            started: Instant::now(),
            encoded: 0,
        })
    }

    fn run(mut self) -> Result<Option<(EncoderReport, EmbeddingUse)>, TrainingError> {
        let (reporter, started) = (&mut self.reporter, self.started);
        gate::pass(Point::Evaluation, || reporter.examples(Stage::Test, 0.0, 0, started));
        // the models are loaded one after the other, to keep only one in memory
        let Some((base, embeddings)) = self.score_base()? else { return Ok(None) };
        let encoder = Encoder::load(&self.job.model, &self.device)?;
        let device = self.device.clone();
        let mut encode = |texts: &[&[u32]]| encoder.encode_tokens(texts, ENCODE_BATCH, &device);
        let Some((pairs, trained)) = self.score(&encoder, &mut encode)? else { return Ok(None) };
        self.write_scores(&pairs, &base, &trained)?;
        Ok(Some((self.report(&pairs, &base, &trained), embeddings)))
    }

    /// Scores the base model. Many runs share base model and texts, so its vectors are cached.
    fn score_base(&mut self) -> Result<Option<(Scores, EmbeddingUse)>, TrainingError> {
        let (job, device) = (self.job, self.device.clone());
        let encoder = load(&job.base_model, &device)?;
        let mut embeddings = embeddings::open(encoder.vector_size(), job.embeddings.as_ref());
        let mut encode = |texts: &[&[u32]]| encoder.encode_cached(texts, ENCODE_BATCH, &device, &mut embeddings);
        let Some((_, scores)) = self.score(&encoder, &mut encode)? else { return Ok(None) };
        Ok(Some((scores, embeddings::close(&embeddings, job.embeddings.as_ref(), self.reporter))))
    }

    fn score(&mut self, encoder: &Encoder, encode: &mut Encode<'_>) -> Result<Option<(PairSet, Scores)>, TrainingError> {
        let mut pairs = PairSet::read(&self.job.pairs, "test", encoder, &self.job.work)?;
        let copies = pairs.leave_out_copies(&self.groups);
        pairs.limit(MAX_TEST_PAIRS);
        // both models encode all texts
        let all = 2 * (pairs.texts.len() + self.index.len() + self.queries.len()).max(1);
        let before = self.encoded;
        let Some(cosines) = cosine_similarities(&pairs, encode, |done| self.go_on(before + done, all))? else {
            return Ok(None);
        };
        let job = self.job;
        let (index, queries) = (self.index, self.queries);
        let mut go_on = |count: usize| self.go_on(self.encoded + count, all);
        let Some(index) = knn::encode(&job.index, index, encoder, encode, &mut go_on)? else { return Ok(None) };
        let Some(queries) = knn::encode(&job.queries, queries, encoder, encode, &mut go_on)? else { return Ok(None) };
        let knn = knn::classify(&index, &queries, &self.labels);
        Ok(Some((pairs, Scores { copies, cosines, knn })))
    }

    fn go_on(&mut self, encoded: usize, all: usize) -> bool {
        self.encoded = encoded;
        self.reporter.examples(Stage::Test, encoded as f64 / all as f64, encoded, self.started);
        !self.stop.load(Ordering::Relaxed)
    }

    /// Writes the scores of each pair, with its line number in the snapshot but without its texts.
    fn write_scores(&self, pairs: &PairSet, base: &Scores, trained: &Scores) -> Result<(), TrainingError> {
        let path = &self.job.scores;
        let mut out = BufWriter::new(File::create(path).map_err(TrainingError::io(path))?);
        for (pair, (base, trained)) in pairs.pairs.iter().zip(base.cosines.iter().zip(&trained.cosines)) {
            let field = &pairs.fields[pair.field as usize];
            let line = json!({ "pair": pair.number, "field": field, "label": pair.label, "base": base, "trained": trained });
            writeln!(out, "{line}").map_err(TrainingError::io(path))?;
        }
        out.flush().map_err(TrainingError::io(path))
    }

    fn report(&self, pairs: &PairSet, base: &Scores, trained: &Scores) -> EncoderReport {
        let metrics = |scores: &Scores, field: Option<&str>| {
            let scored = pairs.pairs.iter().zip(scores.cosines.iter().copied());
            pair_metrics(scored.filter(|(pair, _)| field.is_none_or(|field| pairs.fields[pair.field as usize] == field)))
        };
        let field = |field: &String| {
            let knn = base.knn.get(field).zip(trained.knn.get(field));
            let number = pairs.fields.iter().position(|known| known == field).and_then(|number| u32::try_from(number).ok());
            EncoderFieldReport {
                field: field.clone(),
                pairs: pairs.pairs.iter().filter(|pair| pairs.fields[pair.field as usize] == *field).count() as u64,
                copies: number.and_then(|number| trained.copies.get(&number)).copied().unwrap_or_default(),
                base: metrics(base, Some(field)),
                trained: metrics(trained, Some(field)),
                neighbours: knn.map(|(base, trained)| KnnMetrics {
                    index: trained.index,
                    queries: trained.queries,
                    groups: trained.groups,
                    base: base.accuracy,
                    trained: trained.accuracy,
                    majority: trained.majority,
                }),
            }
        };
        EncoderReport {
            pairs: pairs.pairs.len() as u64,
            copies: trained.copies.values().sum(),
            base: metrics(base, None),
            trained: metrics(trained, None),
            fields: self.labels.fields.keys().map(field).collect(),
        }
    }
}
