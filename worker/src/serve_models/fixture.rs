//! Models without an encoder, for the tests of batches, memory and the protocol.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aprendiz_inference::FieldPrediction;
use aprendiz_inference::protocol::{Refusal, RefusalReason, ServedPrediction, ServedVersion};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use crate::serve_models::batch::{Answer, Job, Predictor};
use crate::serve_models::config::Limits;
use crate::serve_models::models::Source;
use crate::serve_models::queue::Queue;

pub(super) fn limits() -> Limits {
    Limits {
        memory_kib: 100,
        idle: Duration::from_secs(3_600),
        batch_texts: 4,
        batch_wait: Duration::from_millis(1),
        queue_requests: 64,
        queue_kib: 1 << 20,
    }
}

pub(super) fn version(number: i32) -> ServedVersion {
    let hash = format!("{number:064x}");
    ServedVersion { model: "m".to_owned(), number, object_prefix: format!("models/m/run-{number}"), manifest_sha256: hash }
}

/// A job with these texts, and its answer.
pub(super) fn job(texts: &[&str]) -> (Job, oneshot::Receiver<Answer>) {
    let (reply, answer) = oneshot::channel();
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    let place = Queue::new(&limits()).try_enter(1).unwrap();
    (Job { texts, top_k: 1, deadline: Instant::now() + Duration::from_secs(60), reply, place }, answer)
}

/// The values of an answer.
pub(super) fn values(answer: Answer) -> Vec<String> {
    answer.unwrap().into_iter().map(|mut fields| fields.remove(0).prediction.value.unwrap()).collect()
}

/// Counts the models in memory.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) loads: AtomicUsize,
    pub(super) loaded: AtomicUsize,
    pub(super) max_loaded: AtomicUsize,
}

/// A model whose value is the number of its version and the text. It fails for `fail`, panics for `panic`, and waits for `pass` before
/// each computation.
pub(super) struct FakeModel {
    number: i32,
    counts: Arc<Counts>,
    pass: Arc<Semaphore>,
    pub(super) calls: Arc<Mutex<Vec<Vec<String>>>>,
}

impl FakeModel {
    pub(super) fn new(number: i32, source: &FakeSource) -> Self {
        let counts = Arc::clone(&source.counts);
        counts.loads.fetch_add(1, Ordering::SeqCst);
        let loaded = counts.loaded.fetch_add(1, Ordering::SeqCst) + 1;
        counts.max_loaded.fetch_max(loaded, Ordering::SeqCst);
        Self { number, counts, pass: Arc::clone(&source.pass), calls: Arc::clone(&source.calls) }
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.counts.loaded.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Predictor for FakeModel {
    fn predict(&self, texts: &[String], _: usize) -> Result<Vec<Vec<ServedPrediction>>, String> {
        tokio::runtime::Handle::current().block_on(self.pass.acquire()).unwrap().forget();
        self.calls.lock().unwrap().push(texts.to_vec());
        if texts.iter().any(|text| text == "fail") {
            return Err("broken".to_owned());
        }
        assert!(!texts.iter().any(|text| text == "panic"), "as requested");
        let predict = |text: &String| {
            let prediction = FieldPrediction {
                field: "law".to_owned(),
                value: Some(format!("{}:{text}", self.number)),
                confidence: 1.0,
                answered: true,
                no_known_feature: false,
                top: Vec::new(),
            };
            vec![ServedPrediction { prediction, threshold: None, evidence: Some((0, text.len())), words: Vec::new() }]
        };
        Ok(texts.iter().map(predict).collect())
    }
}

/// Makes models of 60 KiB.
#[derive(Clone)]
pub(super) struct FakeSource {
    pub(super) counts: Arc<Counts>,
    /// One permit per computation.
    pub(super) pass: Arc<Semaphore>,
    pub(super) calls: Arc<Mutex<Vec<Vec<String>>>>,
    /// Versions that cannot be loaded.
    pub(super) broken: Arc<Mutex<HashSet<i32>>>,
    pub(super) bytes: u64,
}

impl Default for FakeSource {
    fn default() -> Self {
        Self {
            counts: Arc::default(),
            pass: Arc::new(Semaphore::new(1_000)),
            calls: Arc::default(),
            broken: Arc::default(),
            bytes: 60 << 10,
        }
    }
}

impl Source for FakeSource {
    type Model = FakeModel;
    type Files = ();

    async fn fetch(&self, _: &ServedVersion) -> Result<((), u64), Refusal> {
        Ok(((), self.bytes))
    }

    async fn open(&self, version: &ServedVersion, (): ()) -> Result<FakeModel, Refusal> {
        if self.broken.lock().unwrap().contains(&version.number) {
            return Err(Refusal::new(RefusalReason::InvalidModel, "damaged"));
        }
        Ok(FakeModel::new(version.number, self))
    }
}
