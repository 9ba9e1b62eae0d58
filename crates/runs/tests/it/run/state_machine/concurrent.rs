//! Concurrent commands on few runs. Outcomes depend on the order, so only the invariants are checked, and that no command fails with a
//! database error such as a deadlock.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{
    AttemptId, DatasetId, RunId, RunStatus, RunsError, WorkerId, cancel_run, claim_next, create_run, delete_published, due_outbox_entries,
    reap_expired_leases, record_publication, republish_unclaimed, retry_run,
};
use aprendiz_test_support::TestDatabase;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sqlx::{Connection as _, PgConnection};

use super::command::{Crash, Files, NewRun, Step, new_run, step};
use super::model::Outcome;
use super::system::{System, connect, create_request, work};
use super::{invariants, runner};
use crate::fixture::{LEASE, TIMEOUT};

const CASES: u32 = 24;
const TASKS: usize = 4;
const MAX_COMMANDS: usize = 40;
/// Few, so that they conflict.
const RUNS: usize = 3;

/// A command of one task. Runs and attempts are picked among those that exist at that moment.
#[derive(Debug, Clone)]
enum Command {
    Create(NewRun),
    Cancel(usize),
    Retry(usize),
    Claim { with_time: bool },
    Work { attempt: usize, step: Step },
    MakeDue(usize),
    Reap,
    Republish,
    Relay,
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        2 => new_run().prop_map(|new| Command::Create(NewRun { delayed: false, ..new })),
        3 => (0..8usize).prop_map(Command::Cancel),
        4 => (0..8usize).prop_map(Command::Retry),
        10 => prop::bool::weighted(0.7).prop_map(|with_time| Command::Claim { with_time }),
        40 => (0..4usize, step()).prop_map(|(attempt, step)| Command::Work { attempt, step }),
        4 => (0..8usize).prop_map(Command::MakeDue),
        5 => Just(Command::Reap),
        3 => Just(Command::Republish),
        5 => Just(Command::Relay),
    ]
}

#[test]
fn concurrent_commands_keep_the_invariants_and_never_deadlock() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(TASKS).enable_all().build().unwrap();
    let (_database, mut system, mut conns) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let system = System::new(&database).await;
        let mut conns = Vec::new();
        for _ in 0..TASKS {
            conns.push([connect(&database).await, connect(&database).await]);
        }
        (database, system, conns)
    });
    let (mut runner, seed) = runner(CASES);
    let each = proptest::collection::vec(proptest::collection::vec(command(), 1..=MAX_COMMANDS), TASKS);
    let state = std::cell::RefCell::new((&mut system, &mut conns));
    let outcome = runner.run(&each, |each| {
        let (system, conns) = &mut *state.borrow_mut();
        runtime.block_on(case(system, conns, each)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}

/// State shared by all tasks.
#[derive(Debug, Default)]
struct Shared {
    runs: Vec<(RunId, bool)>,
    attempts: Vec<AttemptId>,
}

impl Shared {
    fn run(&self, pick: usize) -> RunId {
        self.runs[pick % self.runs.len()].0
    }

    /// Index from the newest.
    fn attempt(&self, back: usize) -> Option<(AttemptId, bool)> {
        let attempt = *self.attempts.iter().rev().nth(back)?;
        let trains = self.runs.iter().find(|(id, _)| *id == attempt.run_id).is_none_or(|(_, trains)| *trains);
        Some((attempt, trains))
    }
}

async fn case(system: &mut System, conns: &mut Vec<[PgConnection; 2]>, each: Vec<Vec<Command>>) -> Result<(), String> {
    system.empty().await;
    let shared = Arc::new(Mutex::new(Shared::default()));
    for _ in 0..RUNS {
        let new = NewRun { kind: RunKind::Linear, dataset_only: false, priority: 0, delayed: false, max_attempts: 3, key: None };
        let (id, _) = system.create(&new).await.map_err(|error| error.to_string())?;
        shared.lock().unwrap().runs.push((id, true));
    }
    let mut tasks = Vec::new();
    for (number, (commands, [conn, marks])) in each.into_iter().zip(conns.drain(..)).enumerate() {
        let mut task = Task {
            conn,
            marks,
            shared: Arc::clone(&shared),
            worker: system.workers()[number % system.workers().len()],
            dataset: system.dataset(),
        };
        tasks.push(tokio::spawn(async move {
            let outcome = task.execute_all(&commands).await;
            (outcome, [task.conn, task.marks])
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        let (outcome, pair) = tokio::time::timeout(TIMEOUT, task).await.map_err(|_| "a task hangs".to_owned())?.unwrap();
        conns.push(pair);
        outcomes.push(outcome);
    }
    outcomes.into_iter().collect::<Result<Vec<()>, String>>()?;
    invariants::check(&mut system.conn).await?;
    finish(system).await
}

/// Brings every run to its end.
async fn finish(system: &mut System) -> Result<(), String> {
    system.advance(1_500).await;
    system.reap().await.map_err(|error| error.to_string())?;
    // as if Redis lost every wake-up
    system.relay(Crash::Never).await.map_err(|error| error.to_string())?;
    system.advance(1_500).await;
    system.republish().await.map_err(|error| error.to_string())?;
    if let Some(forgotten) = system.look().await.iter().find(|run| is_waiting(run.status) && !run.in_outbox) {
        return Err(format!("{forgotten:?} waits without a pending wake-up"));
    }
    while let Some(attempt) = system.claim(0, false).await.map_err(|error| error.to_string())? {
        let run = aprendiz_runs::get_run(&mut system.conn, attempt.run_id).await.map_err(|error| error.to_string())?;
        let trains = !run.dataset_only && run.kind != RunKind::Evaluate;
        for step in [Step::Declare(Files::Model), Step::Confirm(Files::Model), Step::Publish { fitting: true }] {
            system.work(attempt, &step, trains).await.map_err(|error| format!("{step:?}: {error}"))?;
        }
    }
    if let Some(unfinished) = system.look().await.iter().find(|run| !run.status.is_final()) {
        return Err(format!("{unfinished:?} did not come to its end"));
    }
    invariants::check(&mut system.conn).await
}

const fn is_waiting(status: RunStatus) -> bool {
    matches!(status, RunStatus::Queued | RunStatus::Retrying)
}

/// One of the concurrent tasks.
struct Task {
    conn: PgConnection,
    marks: PgConnection,
    shared: Arc<Mutex<Shared>>,
    worker: WorkerId,
    dataset: DatasetId,
}

impl Task {
    async fn execute_all(&mut self, commands: &[Command]) -> Result<(), String> {
        for command in commands {
            match self.execute(command).await {
                Err(Rejected::By(error)) if Outcome::of(&error).is_none() => return Err(format!("{command:?}: {error}")),
                Err(Rejected::Wrong(what)) => return Err(format!("{command:?}: {what}")),
                Ok(()) | Err(Rejected::By(_)) => {}
            }
            // a dropped transaction is rolled back with the next statement of its connection, which a pool would send
            self.conn.ping().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn execute(&mut self, command: &Command) -> Result<(), Rejected> {
        match command {
            Command::Create(new) => {
                let key = new.key.map_or_else(String::new, |(key, _)| key.to_string());
                let created = create_run(&mut self.conn, create_request(new, &key)).await?;
                let trains = !created.run.dataset_only && created.run.kind != RunKind::Evaluate;
                if created.is_new {
                    self.shared.lock().unwrap().runs.push((created.run.id, trains));
                }
            }
            Command::Cancel(pick) => {
                let id = self.shared.lock().unwrap().run(*pick);
                let run = cancel_run(&mut self.conn, id, "ana").await?;
                if !matches!(run.status, RunStatus::Cancelling | RunStatus::Cancelled) {
                    return Err(Rejected::Wrong(format!("cancelled, and the run is {}", run.status)));
                }
            }
            Command::Retry(pick) => {
                let id = self.shared.lock().unwrap().run(*pick);
                match retry_run(&mut self.conn, id, "ana").await {
                    Err(RunsError::WrongState { status: status @ (RunStatus::Failed | RunStatus::Cancelled), .. }) => {
                        return Err(Rejected::Wrong(format!("not retried, although the run is {status}")));
                    }
                    outcome => drop(outcome?),
                }
            }
            Command::Claim { with_time } => {
                // a lease of zero length is expired at once
                let lease = if *with_time { LEASE } else { Duration::ZERO };
                if let Some(claim) = claim_next(&mut self.conn, self.worker, &[RunKind::Linear, RunKind::Evaluate], lease).await? {
                    self.shared.lock().unwrap().attempts.push(claim.attempt);
                }
            }
            Command::Work { attempt, step } => {
                let attempt = self.shared.lock().unwrap().attempt(*attempt);
                if let Some((attempt, trains)) = attempt {
                    work(&mut self.conn, attempt, step, trains, self.dataset).await?;
                }
            }
            Command::MakeDue(pick) => {
                let id = self.shared.lock().unwrap().run(*pick);
                let sql = "UPDATE training_runs SET run_after = clock_timestamp() WHERE id = $1 AND status = 'retrying'";
                sqlx::query(sql).bind(id).execute(&mut self.conn).await.map_err(RunsError::from)?;
            }
            Command::Reap => drop(reap_expired_leases(&mut self.conn, 100).await?),
            Command::Republish => drop(republish_unclaimed(&mut self.conn, Duration::ZERO, 100).await?),
            Command::Relay => self.relay().await?,
        }
        Ok(())
    }

    async fn relay(&mut self) -> Result<(), RunsError> {
        let mut tx = self.conn.begin().await?;
        let due = due_outbox_entries(&mut tx, 100).await?;
        let (outbox_ids, run_ids): (Vec<i64>, Vec<RunId>) = due.into_iter().unzip();
        let run_ids: Vec<RunId> = run_ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        record_publication(&mut self.marks, &run_ids).await?;
        delete_published(&mut tx, &outbox_ids).await?;
        Ok(tx.commit().await?)
    }
}

/// Why a command had no effect.
enum Rejected {
    By(RunsError),
    /// An error that must never happen.
    Wrong(String),
}

impl From<RunsError> for Rejected {
    fn from(error: RunsError) -> Self {
        Self::By(error)
    }
}
