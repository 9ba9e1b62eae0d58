//! Commands on runs, in any order: from people, workers, reaper, relay and time.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::RunPhase;
use proptest::prelude::*;

/// A command. Runs are picked by index among those created so far, so that shrinking keeps the meaning of a command.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    Create(NewRun),
    Cancel(RunPick),
    Retry(RunPick),
    Claim {
        worker: usize,
        evaluate_only: bool,
    },
    Work {
        run: RunPick,
        attempt: AttemptPick,
        step: Step,
    },
    Reap,
    Republish,
    Relay(Crash),
    /// Minutes pass.
    Advance(i64),
}

/// A request for a run.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    pub(crate) kind: RunKind,
    pub(crate) dataset_only: bool,
    pub(crate) priority: i32,
    pub(crate) delayed: bool,
    pub(crate) max_attempts: i32,
    /// Idempotency key, and which of two bodies it is used with.
    pub(crate) key: Option<(u8, bool)>,
}

/// Which run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunPick {
    /// Index from the newest, modulo their number.
    Existing(usize),
    /// A run that was never created.
    Unknown,
}

/// Which attempt of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AttemptPick {
    Newest,
    /// Offset from the newest; beyond the first it is an unknown attempt.
    Older(usize),
    /// The next one, which is not claimed yet.
    Future,
}

/// An action of a worker for an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Renew,
    AskForCancellation,
    EnterPhase(RunPhase),
    Progress {
        with_event: bool,
    },
    Event,
    UseDataset,
    Declare(Files),
    Confirm(Files),
    PublishDataset,
    /// With the results that the kind of the run requires, or with the opposite.
    Publish {
        fitting: bool,
    },
    Fail {
        cause: Cause,
        jitter: f64,
    },
    Release,
    CancelAttempt,
}

/// Objects of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    Dataset,
    Model,
}

/// Why an attempt fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause {
    Retryable,
    Permanent,
    ChildKilled,
}

/// Where the relay crashes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    Never,
    BeforeMarking,
    /// Before its commit, published or not: its transaction is lost.
    AfterMarking,
}

/// Interleavings of at most `max` commands.
pub(crate) fn commands(max: usize) -> impl Strategy<Value = Vec<Command>> {
    proptest::collection::vec(command(), 1..=max)
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => new_run().prop_map(Command::Create),
        4 => run_pick().prop_map(Command::Cancel),
        4 => run_pick().prop_map(Command::Retry),
        12 => (0..WORKERS, prop::bool::weighted(0.15)).prop_map(|(worker, evaluate_only)| Command::Claim { worker, evaluate_only }),
        40 => (run_pick(), attempt_pick(), step()).prop_map(|(run, attempt, step)| Command::Work { run, attempt, step }),
        4 => Just(Command::Reap),
        2 => Just(Command::Republish),
        5 => prop_oneof![3 => Just(Crash::Never), 1 => Just(Crash::BeforeMarking), 1 => Just(Crash::AfterMarking)].prop_map(Command::Relay),
        6 => prop_oneof![3 => Just(20), 3 => Just(70), 1 => Just(1_500)].prop_map(Command::Advance),
    ]
}

/// Workers that take part.
pub(crate) const WORKERS: usize = 3;

pub(crate) fn new_run() -> impl Strategy<Value = NewRun> {
    let kind = prop_oneof![3 => Just(RunKind::Linear), 1 => Just(RunKind::Evaluate)];
    let key = prop::option::weighted(0.3, (0..2u8, prop::bool::weighted(0.8)));
    (kind, prop::bool::weighted(0.2), -1..=1i32, prop::bool::weighted(0.2), 1..=4i32, key).prop_map(
        |(kind, dataset_only, priority, delayed, max_attempts, key)| NewRun { kind, dataset_only, priority, delayed, max_attempts, key },
    )
}

fn run_pick() -> impl Strategy<Value = RunPick> {
    prop_oneof![40 => (0..4usize).prop_map(RunPick::Existing), 1 => Just(RunPick::Unknown)]
}

fn attempt_pick() -> impl Strategy<Value = AttemptPick> {
    prop_oneof![16 => Just(AttemptPick::Newest), 3 => (1..4usize).prop_map(AttemptPick::Older), 1 => Just(AttemptPick::Future)]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let phase = prop_oneof![
        Just(RunPhase::Dataset),
        Just(RunPhase::Train),
        Just(RunPhase::Evaluate),
        Just(RunPhase::Upload),
        Just(RunPhase::Publish)
    ];
    let files = prop_oneof![1 => Just(Files::Dataset), 2 => Just(Files::Model)];
    let cause = prop_oneof![2 => Just(Cause::Retryable), 1 => Just(Cause::Permanent), 3 => Just(Cause::ChildKilled)];
    prop_oneof![
        2 => Just(Step::Renew),
        1 => Just(Step::AskForCancellation),
        2 => phase.prop_map(Step::EnterPhase),
        2 => any::<bool>().prop_map(|with_event| Step::Progress { with_event }),
        1 => Just(Step::Event),
        1 => Just(Step::UseDataset),
        5 => files.clone().prop_map(Step::Declare),
        5 => files.prop_map(Step::Confirm),
        2 => Just(Step::PublishDataset),
        6 => prop::bool::weighted(0.85).prop_map(|fitting| Step::Publish { fitting }),
        4 => (cause, 0.0..1.0f64).prop_map(|(cause, jitter)| Step::Fail { cause, jitter }),
        2 => Just(Step::Release),
        2 => Just(Step::CancelAttempt),
    ]
}
