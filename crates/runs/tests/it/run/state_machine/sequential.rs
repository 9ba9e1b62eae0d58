//! Sequential commands, with a known outcome each.

use aprendiz_runs::{AttemptId, RunId, RunStatus, RunsError, cancel_run, retry_run};
use aprendiz_test_support::TestDatabase;
use proptest::test_runner::TestCaseError;

use super::command::{Command, Crash, Files, Step, commands};
use super::model::{Model, Outcome};
use super::system::System;
use super::{invariants, runner};

const CASES: u32 = 64;
const MAX_COMMANDS: usize = 60;

#[test]
fn every_interleaving_of_commands_matches_the_model_and_keeps_the_invariants() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_database, mut system) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let system = System::new(&database).await;
        (database, system)
    });
    let (mut runner, seed) = runner(CASES);
    let system = std::cell::RefCell::new(&mut system);
    let outcome = runner.run(&commands(MAX_COMMANDS), |commands| {
        let mut system = system.borrow_mut();
        runtime.block_on(case(&mut system, &commands)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}

/// One case: executes the commands, then finishes every run.
async fn case(system: &mut System, commands: &[Command]) -> Result<(), String> {
    system.empty().await;
    let mut world = World { system, model: Model::default(), ids: Vec::new(), in_outbox: Vec::new() };
    for (number, command) in commands.iter().enumerate() {
        world.execute(command).await.map_err(|error| format!("command {number}, {command:?}: {error}"))?;
    }
    world.finish().await.map_err(|error| format!("after all commands: {error}"))
}

/// Model and system side by side.
struct World<'a> {
    system: &'a mut System,
    model: Model,
    /// Run ids by index of the model.
    ids: Vec<RunId>,
    in_outbox: Vec<bool>,
}

impl World<'_> {
    async fn execute(&mut self, command: &Command) -> Result<(), String> {
        let before = self.system.digest().await;
        let expected = self.execute_on_both(command).await?;
        if !expected.changes_something() {
            let after = self.system.digest().await;
            if before != after {
                return Err(format!("{expected:?}, and yet rows changed: {before:?} {after:?}"));
            }
        }
        self.compare().await
    }

    /// Executes the command on both and compares the outcomes.
    async fn execute_on_both(&mut self, command: &Command) -> Result<Outcome, String> {
        match command {
            Command::Create(new) => {
                let (expected, earlier) = self.model.create(new);
                let outcome = self.system.create(new).await;
                match &outcome {
                    Ok((id, true)) => self.ids.push(*id),
                    Ok((id, false)) if earlier.map(|run| self.ids[run]) == Some(*id) => {}
                    Ok((id, false)) => return Err(format!("the idempotency key returned run {id}")),
                    Err(_) => {}
                }
                agree(expected, outcome.map(drop))
            }
            Command::Cancel(pick) => {
                let run = self.model.pick(*pick);
                let (id, expected) = (self.id(run), self.model.cancel(run));
                agree(expected, cancel_run(&mut self.system.conn, id, "ana").await.map(drop))
            }
            Command::Retry(pick) => {
                let run = self.model.pick(*pick);
                let (id, expected) = (self.id(run), self.model.retry(run));
                agree(expected, retry_run(&mut self.system.conn, id, "ana").await.map(drop))
            }
            Command::Claim { worker, evaluate_only } => {
                let expected = self.model.claim(*evaluate_only);
                let claimed = self.system.claim(*worker, *evaluate_only).await.map_err(|error| error.to_string())?;
                let wanted = expected.map(|run| AttemptId { run_id: self.ids[run], number: self.model.runs[run].attempts.len() as i32 });
                same("claimed", wanted, claimed)?;
                Ok(if claimed.is_some() { Outcome::Done } else { Outcome::Nothing })
            }
            Command::Work { run, attempt, step } => {
                let run = self.model.pick(*run);
                let number = self.model.attempt_number(run, *attempt);
                self.work(run, number, step).await
            }
            Command::Reap => {
                let expected = self.model.reap();
                let reaped = self.system.reap().await.map_err(|error| error.to_string())?;
                same("reaped", expected, (reaped.requeued, reaped.failed, reaped.cancelled))?;
                Ok(if expected == (0, 0, 0) { Outcome::Nothing } else { Outcome::Done })
            }
            Command::Republish => {
                let expected = if self.system.has_due_wakeup().await { 0 } else { self.model.republish(&self.in_outbox) };
                same("published again", expected, self.system.republish().await.map_err(|error| error.to_string())?)?;
                Ok(if expected == 0 { Outcome::Nothing } else { Outcome::Done })
            }
            Command::Relay(crash) => self.relay(*crash).await,
            Command::Advance(minutes) => {
                self.model.advance(*minutes);
                self.system.advance(*minutes).await;
                Ok(Outcome::Done)
            }
        }
    }

    fn id(&self, run: Option<usize>) -> RunId {
        run.map_or_else(RunId::new_v7, |run| self.ids[run])
    }

    async fn work(&mut self, run: Option<usize>, number: i32, step: &Step) -> Result<Outcome, String> {
        let attempt = AttemptId { run_id: self.id(run), number };
        let trains = run.is_none_or(|run| self.model.runs[run].trains());
        let expected = self.model.work(run, number, step);
        let outcome = agree(expected, self.system.work(attempt, step, trains).await)?;
        if let (Some(run), Step::Fail { jitter, .. }, Outcome::Done) = (run, step, outcome)
            && self.model.runs[run].status == RunStatus::Retrying
        {
            self.system.stretch_backoff(attempt.run_id, self.model.runs[run].attempts_used, *jitter).await?;
        }
        Ok(outcome)
    }

    async fn relay(&mut self, crash: Crash) -> Result<Outcome, String> {
        let published = self.system.relay(crash).await.map_err(|error| error.to_string())?;
        for (run, id) in self.ids.iter().enumerate() {
            let (is_due, is_published) = (self.model.is_due(run), published.contains(id));
            if is_due && !is_published {
                return Err(format!("run {run} is due and was not published"));
            }
            if is_published && !self.model.runs[run].waits() {
                return Err(format!("run {run} was published and is {}", self.model.runs[run].status));
            }
            if is_published && !matches!(crash, Crash::BeforeMarking) {
                self.model.mark_published(run, matches!(crash, Crash::Never));
            }
        }
        Ok(if matches!(crash, Crash::BeforeMarking) { Outcome::Nothing } else { Outcome::Done })
    }

    /// Compares every run of model and database, and checks the invariants.
    async fn compare(&mut self) -> Result<(), String> {
        let seen = self.system.look().await;
        same("runs", &self.ids, &seen.iter().map(|run| run.id).collect())?;
        for (index, (seen, model)) in seen.iter().zip(&self.model.runs).enumerate() {
            let run = |what: &str| format!("{what} of run {index}");
            same(&run("status"), model.status, seen.status)?;
            same(&run("phase"), model.phase, seen.phase)?;
            same(&run("attempts used"), model.attempts_used, seen.attempts_used)?;
            same(&run("first attempt"), model.first_attempt, seen.first_attempt)?;
            same(&run("error code"), model.error_code, seen.error_code.as_deref())?;
            same(&run("dataset"), model.has_dataset, seen.has_dataset)?;
            same(&run("version"), model.has_version, seen.has_version)?;
            same(&run("attempts"), model.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), seen.attempts.clone())?;
            if model.waits() && model.needs_wakeup && !seen.in_outbox {
                return Err(format!("run {index} waits unpublished and is not in the outbox"));
            }
        }
        self.in_outbox = seen.iter().map(|run| run.in_outbox).collect();
        invariants::check(&mut self.system.conn).await
    }

    /// Brings every run to its end.
    async fn finish(&mut self) -> Result<(), String> {
        self.execute(&Command::Advance(1_500)).await?;
        self.execute(&Command::Reap).await?;
        // as if Redis lost every wake-up
        self.execute(&Command::Relay(Crash::Never)).await?;
        self.execute(&Command::Advance(1_500)).await?;
        self.execute(&Command::Republish).await?;
        if let Some(run) = (0..self.ids.len()).find(|run| self.model.runs[*run].waits() && !self.in_outbox[*run]) {
            return Err(format!("run {run} waits without a pending wake-up"));
        }
        while let Some(run) = self.model.claim(false) {
            let claimed = self.system.claim(0, false).await.map_err(|error| error.to_string())?;
            let number = self.model.runs[run].attempts.len() as i32;
            same("claimed", Some(AttemptId { run_id: self.ids[run], number }), claimed)?;
            for step in [Step::Declare(Files::Model), Step::Confirm(Files::Model), Step::Publish { fitting: true }] {
                let outcome = self.work(Some(run), number, &step).await?;
                same("finishing", Outcome::Done, outcome)?;
            }
        }
        self.compare().await?;
        match self.model.runs.iter().position(|run| !run.status.is_final()) {
            Some(run) => Err(format!("run {run} did not come to its end")),
            None => Ok(()),
        }
    }
}

/// Checks the outcome against the expected one.
fn agree(expected: Outcome, outcome: Result<(), RunsError>) -> Result<Outcome, String> {
    let is_expected = match &outcome {
        Ok(()) => matches!(expected, Outcome::Done | Outcome::Nothing),
        Err(error) => Outcome::of(error) == Some(expected),
    };
    if is_expected { Ok(expected) } else { Err(format!("{expected:?} was expected, it came {outcome:?}")) }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, actual: T) -> Result<(), String> {
    if expected == actual { Ok(()) } else { Err(format!("{what}: {expected:?} was expected, it is {actual:?}")) }
}
