//! Collects the concurrent requests of a model into batches and computes them piece by piece.
//!
//! A prediction does not depend on the other texts of its batch, not even in the last bit, so batches only save time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aprendiz_inference::protocol::{Refusal, RefusalReason, ServedPrediction};
use metrics::{counter, histogram};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::error;

use crate::serve_models::config::Limits;
use crate::serve_models::metrics::{BATCH_TEXTS, PIECE_SECONDS, TEXTS};
use crate::serve_models::queue::Place;

/// Text that is computed at once. Between two pieces, requests whose client has left are dropped, and other models get their turn.
const PIECE_BYTES: usize = 128 << 10;

/// A model in memory.
pub(super) trait Predictor: Send + Sync + 'static {
    /// The predictions of each text, with at most `top_k` classes per field.
    fn predict(&self, texts: &[String], top_k: usize) -> Result<Vec<Vec<ServedPrediction>>, String>;
}

/// The predictions of a request, or why there are none.
pub(super) type Answer = Result<Vec<Vec<ServedPrediction>>, Refusal>;

/// A request that waits for its predictions.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) texts: Vec<String>,
    pub(super) top_k: usize,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Answer>,
    pub(super) place: Place,
}

impl Job {
    /// Whether its client still waits for the answer.
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed() && Instant::now() < self.deadline
    }
}

/// Answers the jobs of a model until its queue is closed and empty.
pub(super) async fn run<P: Predictor>(model: &Arc<P>, mut jobs: UnboundedReceiver<Job>, limits: &Limits, cores: &Semaphore) {
    while let Some(batch) = next_batch(&mut jobs, limits).await {
        compute(model, batch, cores).await;
    }
}

/// Waits for a job, and for a moment for others. `None` if no job will come.
async fn next_batch(jobs: &mut UnboundedReceiver<Job>, limits: &Limits) -> Option<Vec<Job>> {
    let first = jobs.recv().await?;
    let until = Instant::now() + limits.batch_wait;
    let mut texts = first.texts.len();
    let mut batch = vec![first];
    while texts < limits.batch_texts {
        let Ok(Some(job)) = timeout_at(until, jobs.recv()).await else { break };
        texts += job.texts.len();
        batch.push(job);
    }
    histogram!(BATCH_TEXTS).record(texts as f64);
    Some(batch)
}

/// A job of a batch in progress.
struct Progress {
    job: Job,
    /// Texts that are not computed yet.
    texts: VecDeque<String>,
    answers: Vec<Vec<ServedPrediction>>,
}

async fn compute<P: Predictor>(model: &Arc<P>, batch: Vec<Job>, cores: &Semaphore) {
    let begin = |mut job: Job| Progress { texts: std::mem::take(&mut job.texts).into(), job, answers: Vec::new() };
    let mut jobs: Vec<Progress> = batch.into_iter().map(begin).collect();
    loop {
        let Ok(_core) = cores.acquire().await else { return };
        // after the wait for a core, the client of a job may have left
        jobs.retain(|progress| progress.job.is_wanted());
        let (owners, texts) = take_piece(&mut jobs);
        if texts.is_empty() {
            return;
        }
        let top_k = jobs.iter().map(|progress| progress.job.top_k).max().unwrap_or(1);
        let mut failed = Vec::new();
        for (owner, outcome) in owners.into_iter().zip(predict(model, texts, top_k).await) {
            match outcome {
                Ok(prediction) => jobs[owner].answers.push(prediction),
                Err(refusal) => failed.push((owner, refusal)),
            }
        }
        jobs = reply(jobs, failed);
    }
}

/// Takes the next texts of the jobs in their order: at least one, then as many as fit into a piece. Returns the job of each text, too.
fn take_piece(jobs: &mut [Progress]) -> (Vec<usize>, Vec<String>) {
    let (mut owners, mut texts, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (owner, progress) in jobs.iter_mut().enumerate() {
        while let Some(text) = progress.texts.pop_front_if(|text| texts.is_empty() || bytes + text.len() <= PIECE_BYTES) {
            bytes += text.len();
            owners.push(owner);
            texts.push(text);
        }
        if !progress.texts.is_empty() {
            break;
        }
    }
    (owners, texts)
}

/// Predicts texts together. If that fails, each one alone: a text that cannot be computed costs only its own request.
async fn predict<P: Predictor>(model: &Arc<P>, texts: Vec<String>, top_k: usize) -> Vec<Result<Vec<ServedPrediction>, Refusal>> {
    let texts = Arc::new(texts);
    let started = Instant::now();
    let together = predict_range(model, &texts, 0..texts.len(), top_k).await;
    histogram!(PIECE_SECONDS).record(started.elapsed().as_secs_f64());
    let outcomes: Vec<Result<_, Refusal>> = match together {
        Ok(predictions) => predictions.into_iter().map(Ok).collect(),
        Err(refusal) if texts.len() == 1 => vec![Err(refusal)],
        Err(_) => {
            let mut outcomes = Vec::with_capacity(texts.len());
            for index in 0..texts.len() {
                let alone = predict_range(model, &texts, index..index + 1, top_k).await;
                outcomes.push(alone.map(|mut predictions| predictions.pop().unwrap_or_default()));
            }
            outcomes
        }
    };
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    counter!(TEXTS, "outcome" => "computed").increment((outcomes.len() - failed) as u64);
    counter!(TEXTS, "outcome" => "failed").increment(failed as u64);
    outcomes
}

async fn predict_range<P: Predictor>(
    model: &Arc<P>,
    texts: &Arc<Vec<String>>,
    range: std::ops::Range<usize>,
    top_k: usize,
) -> Result<Vec<Vec<ServedPrediction>>, Refusal> {
    let (model, texts, expected) = (Arc::clone(model), Arc::clone(texts), range.len());
    let computing = tokio::task::spawn_blocking(move || model.predict(&texts[range], top_k));
    let cause = match computing.await {
        Ok(Ok(predictions)) if predictions.len() == expected => return Ok(predictions),
        Ok(Ok(predictions)) => format!("{} predictions for {expected} texts", predictions.len()),
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    error!(error = cause, texts = expected, "prediction failed");
    Err(Refusal::new(RefusalReason::Failed, "the prediction failed; see the log of the inference process"))
}

/// Answers the jobs that failed or are complete, and returns the others.
fn reply(jobs: Vec<Progress>, failed: Vec<(usize, Refusal)>) -> Vec<Progress> {
    let mut failed: HashMap<usize, Refusal> = failed.into_iter().collect();
    let mut rest = Vec::new();
    for (index, progress) in jobs.into_iter().enumerate() {
        let answer = match failed.remove(&index) {
            Some(refusal) => Err(refusal),
            None if progress.texts.is_empty() => Ok(progress.answers),
            None => {
                rest.push(progress);
                continue;
            }
        };
        let Job { reply, place, .. } = progress.job;
        // the place is free before the client can send its next request
        drop(place);
        // an error means that the client does not wait any more
        let _ = reply.send(answer);
    }
    rest
}
