//! The schedule of runs and faults. It is computed from the seed alone, so a seed reproduces it.

use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// Number of workers.
pub(crate) const WORKERS: u64 = 3;
/// Number of servers.
pub(crate) const SERVERS: u64 = 2;

/// A scheduled action.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Action {
    /// Creates a run.
    Submit(Work),
    /// Cancels one of the runs so far.
    Cancel(u64),
    /// Retries one of the runs so far, if it has failed or was cancelled.
    Retry(u64),
    /// Injects a fault.
    Inject(Fault),
}

/// A kind of run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Trains a tiny model. A long training takes seconds and writes checkpoints.
    Train { model: u64, priority: i32, long: bool },
    /// Scores stored predictions.
    Evaluate,
}

/// A fault. The first number selects the process; durations are in milliseconds. Truncated responses break off in their body.
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
    TruncateBucket(u64),
    TruncateApi(u64),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submit(work) => write!(f, "submit {work:?}"),
            Self::Cancel(which) => write!(f, "cancel run {which} of those so far"),
            Self::Retry(which) => write!(f, "retry run {which} of those so far"),
            Self::Inject(fault) => write!(f, "{fault:?}"),
        }
    }
}

/// The schedule of a seed: a run every few tenths of a second, and a fault every few seconds, for the duration `length`.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<(Duration, Action)> {
    let mut random = Random::new(seed);
    let end = length.as_secs_f64();
    let mut actions = Vec::new();
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
        actions.push((Duration::from_secs_f64(at), action));
        at += random.between(0.05, 0.45);
    }
    // no fault in the first seconds
    let mut at = 3.0;
    while at < end {
        actions.push((Duration::from_secs_f64(at), Action::Inject(fault(&mut random))));
        at += random.between(1.5, 5.0);
    }
    actions.sort_by_key(|(at, _)| *at);
    actions
}

fn fault(random: &mut Random) -> Fault {
    let (worker, server) = (random.below(WORKERS), random.below(SERVERS));
    // shorter and longer than the lease
    let duration = random.below(6_000) + 200;
    match random.below(18) {
        0..=2 => Fault::KillWorker(worker),
        3 => Fault::TerminateWorker(worker),
        4 => Fault::FreezeWorker(worker, duration),
        5 | 6 => Fault::KillChild(worker),
        7 => Fault::KillServer(server),
        8 => Fault::TerminateServer(server),
        9 => Fault::FlushRedis,
        10 => Fault::RestartRedis(duration),
        11 => Fault::FreezeRedis(duration),
        12 => Fault::CutDatabase,
        13 => Fault::StallDatabase(duration),
        14 => Fault::RefuseBucket(duration),
        15 => Fault::StallBucket(duration),
        16 => Fault::TruncateBucket(duration),
        _ => Fault::TruncateApi(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_the_schedule() {
        let minute = Duration::from_secs(60);
        assert_eq!(schedule(1, minute), schedule(1, minute));
        assert_ne!(schedule(1, minute), schedule(2, minute));
    }

    #[test]
    fn a_long_schedule_has_every_fault() {
        let actions = schedule(1, Duration::from_secs(1200));
        let faults: std::collections::BTreeSet<String> = actions
            .iter()
            .filter_map(|(_, action)| match action {
                Action::Inject(fault) => format!("{fault:?}").split('(').next().map(ToOwned::to_owned),
                _ => None,
            })
            .collect();
        assert_eq!(faults.len(), 15, "{faults:?}");
    }
}
