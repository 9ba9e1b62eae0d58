//! What happens when: made from the seed before anything starts, so that a seed can be run again.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// Workers and servers on the stage.
pub(crate) const WORKERS: u64 = 3;
pub(crate) const SERVERS: u64 = 2;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Action {
    /// A run is asked for.
    Submit(Work),
    /// One of the runs so far is cancelled.
    Cancel(u64),
    /// One of the runs so far is retried, should it have failed or been cancelled.
    Retry(u64),
    /// A fault.
    Break(Fault),
}

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Trains a tiny model; a long one takes seconds and leaves checkpoints.
    Train { model: u64, priority: i32, long: bool },
    /// Scores stored predictions.
    Evaluate,
}

/// Something that breaks. What lasts, lasts for so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillWorker(u64),
    TerminateWorker(u64),
    FreezeWorker(u64, u64),
    KillChild(u64),
    KillServer(u64),
    TerminateServer(u64),
    FlushRedis,
    RestartRedis(u64),
    FreezeRedis(u64),
    CutDatabase,
    StallDatabase(u64),
    RefuseBucket(u64),
    StallBucket(u64),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit(work) => write!(f, "submit {work:?}"),
            Self::Cancel(which) => write!(f, "cancel run {which} of those so far"),
            Self::Retry(which) => write!(f, "retry run {which} of those so far"),
            Self::Break(fault) => write!(f, "{fault:?}"),
        }
    }
}

/// The schedule of a seed: runs all the time, a fault every few seconds, both over `length`.
pub(crate) fn of(seed: u64, length: Duration) -> Vec<(Duration, Action)> {
    let mut random = Random::new(seed);
    let end = length.as_secs_f64();
    let mut plan = Vec::new();
    let mut at = 0.0;
    while at < end {
        let which = random.below(1 << 32);
        let action = match random.below(20) {
            0 | 1 => Action::Cancel(which),
            2 => Action::Retry(which),
            3..=8 => {
                Action::Submit(Work::Train { model: random.below(3), priority: random.below(5) as i32 - 2, long: random.below(4) == 0 })
            }
            _ => Action::Submit(Work::Evaluate),
        };
        plan.push((Duration::from_secs_f64(at), action));
        at += random.between(0.05, 0.45);
    }
    // first everything works
    let mut at = 3.0;
    while at < end {
        plan.push((Duration::from_secs_f64(at), Action::Break(fault(&mut random))));
        at += random.between(1.5, 5.0);
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

fn fault(random: &mut Random) -> Fault {
    let (worker, server) = (random.below(WORKERS), random.below(SERVERS));
    // below and beyond the lease
    let lasts = random.below(6_000) + 200;
    match random.below(16) {
        0..=2 => Fault::KillWorker(worker),
        3 => Fault::TerminateWorker(worker),
        4 => Fault::FreezeWorker(worker, lasts),
        5 | 6 => Fault::KillChild(worker),
        7 => Fault::KillServer(server),
        8 => Fault::TerminateServer(server),
        9 => Fault::FlushRedis,
        10 => Fault::RestartRedis(lasts),
        11 => Fault::FreezeRedis(lasts),
        12 => Fault::CutDatabase,
        13 => Fault::StallDatabase(lasts),
        14 => Fault::RefuseBucket(lasts),
        _ => Fault::StallBucket(lasts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_plan_again_and_another_seed_another() {
        let minute = Duration::from_secs(60);
        assert_eq!(of(1, minute), of(1, minute));
        assert_ne!(of(1, minute), of(2, minute));
    }

    #[test]
    fn a_longer_plan_has_every_fault() {
        let plan = of(1, Duration::from_secs(1200));
        let faults: std::collections::BTreeSet<String> = plan
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Break(fault) => format!("{fault:?}").split('(').next().map(ToOwned::to_owned),
                _ => None,
            })
            .collect();
        assert_eq!(faults.len(), 13, "{faults:?}");
    }
}
