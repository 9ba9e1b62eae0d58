//! Bounded queue of inputs on which the challenger is compared with the champion.
//!
//! The side of the requests never waits: it tries, and counts what did not fit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aprendiz_runs::{ShadowAnswer, ShadowPair};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Maximum number of queued inputs.
const MAX_INPUTS: usize = 1_024;
/// Maximum size of all queued texts.
const MAX_KIB: usize = 32 << 10;

/// Two versions to compare, and the number of inputs that did not fit into the queue.
#[derive(Debug)]
pub(crate) struct ShadowTarget {
    pub(crate) pair: ShadowPair,
    dropped: AtomicU64,
}

/// Answers of a version for a text, by field.
pub(crate) type ShadowAnswers = Vec<(String, ShadowAnswer)>;

/// An input that the champion has answered.
#[derive(Debug)]
pub(crate) struct ShadowInput {
    pub(crate) target: Arc<ShadowTarget>,
    pub(crate) text: String,
    pub(crate) answers: ShadowAnswers,
    /// Its share of the size limit, until it is dropped.
    _size: OwnedSemaphorePermit,
}

/// The side of the requests, and the targets that the background task keeps up to date; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct ShadowQueue {
    targets: Arc<RwLock<HashMap<String, Arc<ShadowTarget>>>>,
    sender: mpsc::Sender<ShadowInput>,
    size: Arc<Semaphore>,
}

impl ShadowQueue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<ShadowInput>) {
        Self::with_limits(MAX_INPUTS, MAX_KIB)
    }

    fn with_limits(inputs: usize, kib: usize) -> (Self, mpsc::Receiver<ShadowInput>) {
        let (sender, receiver) = mpsc::channel(inputs);
        (Self { targets: Arc::default(), sender, size: Arc::new(Semaphore::new(kib)) }, receiver)
    }

    /// What to compare with this version, if anything. Never waits: while the targets are replaced, there are none.
    pub(crate) fn target(&self, model: &str, champion: i32) -> Option<Arc<ShadowTarget>> {
        let targets = self.targets.try_read().ok()?;
        targets.get(model).filter(|target| target.pair.champion == champion).cloned()
    }

    /// Hands over an input that the share of the target selects; counts it if the queue is full.
    pub(crate) fn offer(&self, target: &Arc<ShadowTarget>, text: String, answers: impl FnOnce() -> ShadowAnswers) {
        if !target.selects(&text) {
            return;
        }
        let kib = u32::try_from(text.len().div_ceil(1024).max(1)).unwrap_or(u32::MAX);
        let sent = Arc::clone(&self.size).try_acquire_many_owned(kib).ok().and_then(|size| {
            let slot = self.sender.try_reserve().ok()?;
            slot.send(ShadowInput { target: Arc::clone(target), text, answers: answers(), _size: size });
            Some(())
        });
        if sent.is_none() {
            target.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Replaces the targets. Returns those that are not in use for new requests any more.
    pub(crate) fn replace_targets(&self, pairs: Vec<ShadowPair>) -> Vec<Arc<ShadowTarget>> {
        let mut old = self.targets.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut new = HashMap::with_capacity(pairs.len());
        for pair in pairs {
            let model = pair.model.clone();
            let target = match old.remove(&model) {
                Some(same) if same.pair == pair => same,
                other => {
                    old.extend(other.map(|other| (model.clone(), other)));
                    Arc::new(ShadowTarget { pair, dropped: AtomicU64::new(0) })
                }
            };
            new.insert(model, target);
        }
        *self.targets.write().unwrap_or_else(PoisonError::into_inner) = new;
        old.into_values().collect()
    }

    pub(crate) fn targets(&self) -> Vec<Arc<ShadowTarget>> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl ShadowTarget {
    /// Whether the share selects the text. Equal texts are decided alike, on every server.
    fn selects(&self, text: &str) -> bool {
        if self.pair.share >= 1.0 {
            return true;
        }
        let hash: [u8; 32] = Sha256::digest(text).into();
        let (head, _) = hash.split_first_chunk::<4>().expect("a hash has 32 bytes");
        f64::from(u32::from_be_bytes(*head)) < self.pair.share * 2_f64.powi(32)
    }

    /// Takes the number of dropped inputs.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(share: f64) -> ShadowPair {
        ShadowPair { model: "contracts".to_owned(), champion: 1, challenger: 2, share }
    }

    fn target(queue: &ShadowQueue, share: f64) -> Arc<ShadowTarget> {
        queue.replace_targets(vec![pair(share)]);
        queue.target("contracts", 1).unwrap()
    }

    #[test]
    fn a_full_queue_drops_and_counts_by_number_and_by_size() {
        let (queue, mut receiver) = ShadowQueue::with_limits(2, 4);
        let target = target(&queue, 1.0);
        for _ in 0..5 {
            queue.offer(&target, "text".to_owned(), Vec::new);
        }
        assert_eq!((receiver.len(), target.take_dropped(), target.take_dropped()), (2, 3, 0));
        while receiver.try_recv().is_ok() {}
        // 3 KiB fit, another 2 KiB do not until the first input is done, and 5 KiB never do
        queue.offer(&target, "x".repeat(3 << 10), Vec::new);
        queue.offer(&target, "x".repeat(2 << 10), Vec::new);
        assert_eq!((receiver.len(), target.take_dropped()), (1, 1));
        drop(receiver.try_recv().unwrap());
        queue.offer(&target, "x".repeat(2 << 10), Vec::new);
        queue.offer(&target, "x".repeat(5 << 10), Vec::new);
        assert_eq!((receiver.len(), target.take_dropped()), (1, 1));
        drop(receiver);
        queue.offer(&target, "text".to_owned(), Vec::new);
        assert_eq!(target.take_dropped(), 1, "a stopped task never fails a request");
    }

    #[test]
    fn the_share_selects_a_part_of_the_inputs_and_equal_ones_alike() {
        let selected = |share: f64| -> Vec<usize> {
            let (queue, _receiver) = ShadowQueue::new();
            let target = target(&queue, share);
            (0..2_000).filter(|number| target.selects(&format!("text {number}"))).collect()
        };
        let quarter = selected(0.25);
        assert_eq!(quarter, selected(0.25));
        // 500 are expected; the standard deviation is 19.4
        assert!((400..600).contains(&quarter.len()), "{}", quarter.len());
        let half = selected(0.5);
        assert!(quarter.iter().all(|number| half.contains(number)), "a greater share selects the same inputs and more");
        assert_eq!((selected(1.0).len(), selected(0.0).len()), (2_000, 0));
    }

    #[test]
    fn only_the_champion_of_the_pair_has_a_target() {
        let (queue, _receiver) = ShadowQueue::new();
        let first = target(&queue, 1.0);
        assert!(queue.target("contracts", 2).is_none() && queue.target("other", 1).is_none());
        assert!(queue.replace_targets(vec![pair(1.0)]).is_empty());
        assert!(Arc::ptr_eq(&first, &queue.target("contracts", 1).unwrap()), "an equal pair keeps its counter");
        assert_eq!(queue.replace_targets(vec![pair(0.5)]).len(), 1);
        assert_eq!(queue.replace_targets(Vec::new()).len(), 1);
        assert!(queue.target("contracts", 1).is_none() && queue.targets().is_empty());
    }
}
