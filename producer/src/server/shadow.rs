//! Compares challengers with champions: predicts queued inputs with the challenger on cores that no request needs, and stores the results.
//! Every server runs one. No error ends it: an input that cannot be compared is dropped and counted.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use aprendiz_db::WarnOnce;
use aprendiz_runs::{RunsError, ShadowComparison, ShadowDrop, ShadowPair, list_shadow_pairs, record_shadow, record_shadow_drops};
use metrics::counter;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::{Challenger, ShadowDeps, ShadowInput, ShadowQueue, ShadowTarget};
use crate::server::metrics::SHADOW_INPUTS;
use crate::server::task_health::TaskHealth;

/// Interval at which aliases are read and results are stored.
const INTERVAL: Duration = Duration::from_secs(1);
/// Results that are stored at once.
const BATCH: usize = 200;
/// Pause while requests need all cores.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Time after which a loaded challenger is looked up again: it may be retired, or its thresholds may be changed.
const CHALLENGER_MAX_AGE: Duration = Duration::from_secs(5);
/// Pause after a challenger could not be loaded.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);
/// Compared inputs that are remembered, so that a repeated input counts once.
const MAX_RECENT: usize = 65_536;

/// Runs until shutdown.
pub(crate) async fn run(
    deps: ShadowDeps,
    queue: ShadowQueue,
    inputs: Receiver<ShadowInput>,
    health: TaskHealth,
    shutdown: CancellationToken,
) {
    let shadow = Shadow {
        deps,
        queue,
        health,
        leaving: Vec::new(),
        loaded: None,
        failures: HashMap::new(),
        results: Vec::new(),
        drops: HashMap::new(),
        recent: RecentInputs::default(),
        warned: HashMap::new(),
        round_warned: WarnOnce::default(),
    };
    shutdown.run_until_cancelled(shadow.run(inputs)).await;
}

/// A model and two of its versions.
type Key = (String, i32, i32);

fn key(pair: &ShadowPair) -> Key {
    (pair.model.clone(), pair.champion, pair.challenger)
}

struct Shadow {
    deps: ShadowDeps,
    queue: ShadowQueue,
    health: TaskHealth,
    /// Replaced targets that requests may still count drops for.
    leaving: Vec<Arc<ShadowTarget>>,
    /// The challenger that predicted last.
    loaded: Option<(Key, Instant, Challenger)>,
    /// When challengers could not be loaded.
    failures: HashMap<Key, Instant>,
    /// Compared inputs that are not stored yet.
    results: Vec<(Arc<ShadowTarget>, Vec<ShadowComparison>)>,
    /// Dropped inputs that are not stored yet.
    drops: HashMap<(Key, ShadowDrop), u64>,
    recent: RecentInputs,
    /// Logged failures of challengers.
    warned: HashMap<Key, WarnOnce>,
    round_warned: WarnOnce,
}

impl Shadow {
    async fn run(mut self, mut inputs: Receiver<ShadowInput>) {
        let mut rounds = interval(INTERVAL);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waiting: Option<ShadowInput> = None;
        loop {
            tokio::select! {
                biased;
                _ = rounds.tick() => self.round().await,
                () = sleep(BUSY_PAUSE), if waiting.is_some() => {}
                input = inputs.recv(), if waiting.is_none() => waiting = input,
            }
            if let Some(input) = waiting.take() {
                waiting = self.compare(input).await;
            }
            if self.results.len() >= BATCH {
                self.round().await;
            }
        }
    }

    /// Compares an input, or gives it back if no core is spare.
    async fn compare(&mut self, input: ShadowInput) -> Option<ShadowInput> {
        let target = Arc::clone(&input.target);
        let key = key(&target.pair);
        let Some(challenger) = self.challenger(&key).await else {
            self.drop_inputs(&key, ShadowDrop::Failed, 1);
            return None;
        };
        let Some(core) = self.deps.compute.try_spare_core() else { return Some(input) };
        let ShadowInput { text, answers, .. } = input;
        let hashing = core.run(move || (<[u8; 32]>::from(Sha256::digest(&text)), text));
        let Ok(((sha256, text), core)) = hashing.await else {
            self.drop_inputs(&key, ShadowDrop::Failed, 1);
            return None;
        };
        if self.recent.contains(&key, &sha256) {
            return None;
        }
        let Ok(challenged) = challenger.answer(core, text).await else {
            self.drop_inputs(&key, ShadowDrop::Failed, 1);
            return None;
        };
        self.recent.insert(&key, &sha256);
        let mut challenged: HashMap<_, _> = challenged.into_iter().collect();
        // fields that only one version predicts cannot be compared
        let comparisons = answers.into_iter().filter_map(|(field, champion)| {
            let challenger = challenged.remove(&field)?;
            Some(ShadowComparison { input_sha256: hex::encode(sha256), field, champion, challenger })
        });
        self.results.push((target, comparisons.collect()));
        None
    }

    /// The challenger of the pair; `None` while it cannot be loaded.
    async fn challenger(&mut self, key: &Key) -> Option<Challenger> {
        if let Some((loaded, at, challenger)) = &self.loaded
            && loaded == key
            && at.elapsed() < CHALLENGER_MAX_AGE
        {
            return Some(challenger.clone());
        }
        if self.failures.get(key).is_some_and(|at| at.elapsed() < FAILURE_PAUSE) {
            return None;
        }
        self.loaded = None;
        let (model, _, number) = key;
        match Challenger::load(&self.deps, model, *number).await {
            Ok(challenger) => {
                self.failures.remove(key);
                self.warned.remove(key);
                self.loaded = Some((key.clone(), Instant::now(), challenger.clone()));
                Some(challenger)
            }
            Err(error) => {
                if self.warned.entry(key.clone()).or_default().is_new(&error.detail()) {
                    warn!(
                        model.name = model,
                        model.number = number,
                        error = error.detail(),
                        "cannot load the challenger; its inputs are dropped and counted until it loads"
                    );
                }
                self.failures.insert(key.clone(), Instant::now());
                None
            }
        }
    }

    fn drop_inputs(&mut self, key: &Key, reason: ShadowDrop, count: u64) {
        counter!(SHADOW_INPUTS, "outcome" => reason.as_str()).increment(count);
        *self.drops.entry((key.clone(), reason)).or_default() += count;
    }

    /// Reads the aliases, and stores results and drops.
    async fn round(&mut self) {
        self.collect_drops();
        let stored = self.store_results().await;
        let refreshed = self.refresh().await;
        match stored.and(refreshed) {
            Ok(()) => {
                self.health.succeeded();
                if self.round_warned.clear() {
                    info!("the comparison of challengers has recovered");
                }
            }
            Err(error) => {
                self.health.failed(&error);
                if self.round_warned.is_new(&error) {
                    warn!(%error, "cannot store comparisons of challengers; inputs are dropped until it recovers");
                }
            }
        }
    }

    async fn refresh(&mut self) -> Result<(), RunsError> {
        let pairs = list_shadow_pairs(&mut *self.deps.database.read().await?).await?;
        let keys: HashSet<Key> = pairs.iter().map(key).collect();
        self.failures.retain(|known, _| keys.contains(known));
        self.warned.retain(|known, _| keys.contains(known));
        if self.loaded.as_ref().is_some_and(|(loaded, ..)| !keys.contains(loaded)) {
            // a model that is not compared any more should not stay in memory
            self.loaded = None;
        }
        self.leaving.extend(self.queue.replace_targets(pairs));
        Ok(())
    }

    /// Takes the drops that requests have counted.
    fn collect_drops(&mut self) {
        let leaving = std::mem::take(&mut self.leaving);
        for target in leaving.iter().chain(&self.queue.targets()) {
            let dropped = target.take_dropped();
            if dropped > 0 {
                self.drop_inputs(&key(&target.pair), ShadowDrop::QueueFull, dropped);
            }
        }
        self.leaving = leaving.into_iter().filter(|target| Arc::strong_count(target) > 1).collect();
    }

    /// Stores results, then drops. Results that cannot be stored become drops, which are kept until they can.
    async fn store_results(&mut self) -> Result<(), RunsError> {
        let mut by_pair: HashMap<Key, (u64, Vec<ShadowComparison>)> = HashMap::new();
        for (target, comparisons) in std::mem::take(&mut self.results) {
            let (inputs, all) = by_pair.entry(key(&target.pair)).or_default();
            *inputs += 1;
            all.extend(comparisons);
        }
        let mut outcome = Ok(());
        for (key, (inputs, comparisons)) in by_pair {
            match self.store(&key, &comparisons).await {
                Ok(()) => counter!(SHADOW_INPUTS, "outcome" => "compared").increment(inputs),
                Err(error) => {
                    self.drop_inputs(&key, ShadowDrop::Failed, inputs);
                    outcome = Err(error);
                }
            }
        }
        outcome?;
        for ((key, reason), count) in self.drops.clone() {
            self.store_drops(&key, reason, count).await?;
            self.drops.remove(&(key, reason));
        }
        Ok(())
    }

    async fn store(&self, (model, champion, challenger): &Key, comparisons: &[ShadowComparison]) -> Result<(), RunsError> {
        let mut tx = self.deps.database.begin().await?;
        record_shadow(&mut tx, model, *champion, *challenger, comparisons).await?;
        Ok(tx.commit().await?)
    }

    async fn store_drops(&self, (model, champion, challenger): &Key, reason: ShadowDrop, count: u64) -> Result<(), RunsError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut tx = self.deps.database.begin().await?;
        record_shadow_drops(&mut tx, model, *champion, *challenger, reason, count).await?;
        Ok(tx.commit().await?)
    }
}

/// The inputs that were compared last, as hashes.
#[derive(Debug, Default)]
struct RecentInputs {
    known: HashSet<u64>,
    oldest_first: VecDeque<u64>,
}

impl RecentInputs {
    fn contains(&self, key: &Key, input: &[u8; 32]) -> bool {
        self.known.contains(&Self::hash(key, input))
    }

    fn insert(&mut self, key: &Key, input: &[u8; 32]) {
        let hash = Self::hash(key, input);
        if self.known.insert(hash) {
            self.oldest_first.push_back(hash);
        }
        if self.oldest_first.len() > MAX_RECENT
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn hash(key: &Key, input: &[u8; 32]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (key, input).hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_input_counts_once_per_pair_and_the_memory_is_bounded() {
        let (first, second) = (("m".to_owned(), 1, 2), ("m".to_owned(), 1, 3));
        let input = |number: usize| -> [u8; 32] { Sha256::digest(number.to_string()).into() };
        let mut recent = RecentInputs::default();
        recent.insert(&first, &input(0));
        assert!(recent.contains(&first, &input(0)) && !recent.contains(&second, &input(0)));
        for number in 0..=MAX_RECENT {
            recent.insert(&first, &input(number));
        }
        assert_eq!((recent.known.len(), recent.oldest_first.len()), (MAX_RECENT, MAX_RECENT));
        assert!(!recent.contains(&first, &input(0)) && recent.contains(&first, &input(MAX_RECENT)));
    }
}
