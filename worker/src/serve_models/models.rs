//! The models in memory: loaded by the first request, unloaded when they are idle or others need their memory.
//!
//! A model has a queue and a task. Unloading closes the queue; the task answers what still waits, and then drops the model. The next
//! model gets the memory only after that, so the limit holds at every moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aprendiz_inference::protocol::{Refusal, RefusalReason, ServedVersion};
use metrics::{counter, gauge, histogram};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::serve_models::batch::{self, Job, Predictor};
use crate::serve_models::config::Limits;
use crate::serve_models::metrics::{LOAD_SECONDS, LOADED_MODELS, LOADS, MEMORY};

/// Interval at which idle models are looked for.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Where models come from.
pub(super) trait Source: Send + Sync + 'static {
    type Model: Predictor;
    /// Files of a version on this machine.
    type Files: Send;

    /// Makes the files of a version available. Returns them with their size in bytes.
    fn fetch(&self, version: &ServedVersion) -> impl Future<Output = Result<(Self::Files, u64), Refusal>> + Send;

    /// Loads the model.
    fn open(&self, version: &ServedVersion, files: Self::Files) -> impl Future<Output = Result<Self::Model, Refusal>> + Send;
}

/// All models; cheap to clone.
pub(super) struct Models<S>(Arc<Inner<S>>);

impl<S> Clone for Models<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<S> {
    source: S,
    limits: Limits,
    /// By the SHA-256 of the manifest.
    entries: Mutex<Entries>,
    /// KiB that loaded models do not use.
    memory: Arc<Semaphore>,
    /// Held while a model gets its memory and is loaded: two that load at the same time could wait for each other.
    loading: tokio::sync::Mutex<()>,
    /// One piece of work at a time: each one uses all threads.
    cores: Semaphore,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Entries {
    by_hash: HashMap<String, Entry>,
    next_id: u64,
    is_closed: bool,
}

struct Entry {
    id: u64,
    version: ServedVersion,
    jobs: mpsc::UnboundedSender<Job>,
    used_at: Instant,
    /// Size of a loaded model; `None` while it loads.
    kib: Option<u32>,
}

/// A loaded or loading model, for the health check.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct ModelState {
    model: String,
    number: i32,
    is_loaded: bool,
    kib: u32,
}

impl<S: Source> Models<S> {
    pub(super) fn new(source: S, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            source,
            limits,
            entries: Mutex::default(),
            memory: Arc::new(Semaphore::new(limits.memory_kib as usize)),
            loading: tokio::sync::Mutex::default(),
            cores: Semaphore::new(1),
            tasks: TaskTracker::new(),
        }))
    }

    /// Hands a job to the model of its version, which is loaded if necessary.
    pub(super) fn submit(&self, version: &ServedVersion, job: Job) -> Result<(), Refusal> {
        let mut entries = self.0.entries();
        if entries.is_closed {
            return Err(Refusal::new(RefusalReason::ShuttingDown, "the inference process is shutting down: try again"));
        }
        let job = match entries.by_hash.get_mut(&version.manifest_sha256) {
            Some(entry) => {
                entry.used_at = Instant::now();
                match entry.jobs.send(job) {
                    Ok(()) => return Ok(()),
                    // its task has ended after a failure
                    Err(mpsc::error::SendError(job)) => job,
                }
            }
            None => job,
        };
        let (jobs, queue) = mpsc::unbounded_channel();
        // the receiver is alive
        let _ = jobs.send(job);
        let id = entries.next_id;
        entries.next_id += 1;
        let entry = Entry { id, version: version.clone(), jobs, used_at: Instant::now(), kib: None };
        entries.by_hash.insert(version.manifest_sha256.clone(), entry);
        let inner = Arc::clone(&self.0);
        self.0.tasks.spawn(async move { inner.serve(id, queue).await });
        Ok(())
    }

    /// Unloads idle models until `stop`.
    pub(super) async fn unload_idle(&self, stop: CancellationToken) {
        let mut checks = interval(IDLE_CHECK_INTERVAL);
        while stop.run_until_cancelled(checks.tick()).await.is_some() {
            self.unload_idle_since(self.0.limits.idle);
        }
    }

    fn unload_idle_since(&self, idle: Duration) {
        let mut entries = self.0.entries();
        entries.by_hash.retain(|_, entry| {
            let is_idle = entry.kib.is_some() && entry.used_at.elapsed() >= idle;
            if is_idle {
                info!(model.name = entry.version.model, model.number = entry.version.number, "unloading idle model");
            }
            !is_idle
        });
    }

    /// The models, by name and number.
    pub(super) fn states(&self) -> Vec<ModelState> {
        let entries = self.0.entries();
        let state = |entry: &Entry| ModelState {
            model: entry.version.model.clone(),
            number: entry.version.number,
            is_loaded: entry.kib.is_some(),
            kib: entry.kib.unwrap_or(0),
        };
        let mut states: Vec<ModelState> = entries.by_hash.values().map(state).collect();
        states.sort_by(|one, other| (&one.model, one.number).cmp(&(&other.model, other.number)));
        states
    }

    /// Accepts no jobs any more, answers those that wait, and drops all models.
    pub(super) async fn close(&self) {
        {
            let mut entries = self.0.entries();
            entries.is_closed = true;
            entries.by_hash.clear();
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl<S: Source> Inner<S> {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a model and answers its jobs until it is unloaded.
    async fn serve(&self, id: u64, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let Some(version) = self.entries().by_hash.values().find(|entry| entry.id == id).map(|entry| entry.version.clone()) else {
            return;
        };
        let started = Instant::now();
        match self.load(id, &version).await {
            Ok((model, memory)) => {
                counter!(LOADS, "outcome" => "loaded").increment(1);
                histogram!(LOAD_SECONDS).record(started.elapsed().as_secs_f64());
                info!(model.name = version.model, model.number = version.number, model.kib = memory.num_permits(), "loaded model");
                let (kib, model) = (memory.num_permits() as f64, Arc::new(model));
                gauge!(LOADED_MODELS).increment(1.0);
                gauge!(MEMORY).increment(kib * 1024.0);
                batch::run(&model, jobs, &self.limits, &self.cores).await;
                drop(model);
                drop(memory);
                gauge!(LOADED_MODELS).decrement(1.0);
                gauge!(MEMORY).decrement(kib * 1024.0);
            }
            Err(refusal) => {
                counter!(LOADS, "outcome" => "failed").increment(1);
                warn!(model.name = version.model, model.number = version.number, error = refusal.detail, "cannot load model");
                self.entries().by_hash.retain(|_, entry| entry.id != id);
                jobs.close();
                while let Some(job) = jobs.recv().await {
                    drop(job.place);
                    // an error means that the client has left
                    let _ = job.reply.send(Err(refusal.clone()));
                }
            }
        }
    }

    async fn load(&self, id: u64, version: &ServedVersion) -> Result<(S::Model, OwnedSemaphorePermit), Refusal> {
        let (files, bytes) = self.source.fetch(version).await?;
        let limit = self.limits.memory_kib;
        let kib = u32::try_from(bytes.div_ceil(1024).max(1)).ok().filter(|kib| *kib <= limit).ok_or_else(|| {
            let detail = format!(
                "the files of model `{}` version {} have {} MiB, and models may use {} MiB of memory: raise \
                 APRENDIZ_INFERENCE_MEMORY_MB of the inference process",
                version.model,
                version.number,
                bytes.div_ceil(1 << 20),
                limit >> 10
            );
            Refusal::new(RefusalReason::ModelTooLarge, detail)
        })?;
        let _turn = self.loading.lock().await;
        self.unload_for(kib);
        // waits until the unloaded models have answered their jobs
        let memory = Arc::clone(&self.memory).acquire_many_owned(kib).await;
        let memory = memory.map_err(|error| Refusal::new(RefusalReason::Failed, error.to_string()))?;
        let model = self.source.open(version, files).await?;
        if let Some(entry) = self.entries().by_hash.values_mut().find(|entry| entry.id == id) {
            entry.kib = Some(kib);
            // the time of loading is not idle
            entry.used_at = Instant::now();
        }
        Ok((model, memory))
    }

    /// Unloads models until the others leave room, the least recently used ones first.
    fn unload_for(&self, kib: u32) {
        let mut entries = self.entries();
        let room = self.limits.memory_kib - kib;
        while entries.by_hash.values().filter_map(|entry| entry.kib).map(u64::from).sum::<u64>() > u64::from(room) {
            let loaded = entries.by_hash.iter().filter(|(_, entry)| entry.kib.is_some());
            let Some(hash) = loaded.min_by_key(|(_, entry)| entry.used_at).map(|(hash, _)| hash.clone()) else { return };
            if let Some(Entry { version, .. }) = entries.by_hash.remove(&hash) {
                info!(model.name = version.model, model.number = version.number, "unloading model: another one needs its memory");
            }
        }
    }
}
