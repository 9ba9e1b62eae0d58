//! One command after the other: each outcome is known in advance.

use proptest::test_runner::TestCaseError;
use runs::{AttemptKey, RunId, RunStatus, RunsError, cancel_run, retry_run};
use test_support::TestDatabase;

use super::command::{Command, Crash, Files, Step, commands};
use super::model::{Model, Outcome};
use super::system::System;
use super::{invariants, runner};

const CASES: u32 = 64;
const MOST_COMMANDS: usize = 60;

#[test]
fn every_interleaving_of_commands_ends_as_the_model_says_and_keeps_the_rules() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_database, mut system) = runtime.block_on(async {
        let database = TestDatabase::create().await;
        let system = System::new(&database).await;
        (database, system)
    });
    let (mut runner, seed) = runner(CASES);
    let system = std::cell::RefCell::new(&mut system);
    let outcome = runner.run(&commands(MOST_COMMANDS), |commands| {
        let mut system = system.borrow_mut();
        runtime.block_on(case(&mut system, &commands)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {error}");
    }
}

/// One case: the commands, then the end of all that is unfinished.
async fn case(system: &mut System, commands: &[Command]) -> Result<(), String> {
    system.empty().await;
    let mut world = World { system, model: Model::default(), ids: Vec::new(), in_outbox: Vec::new() };
    for (number, command) in commands.iter().enumerate() {
        world.obey(command).await.map_err(|error| format!("command {number}, {command:?}: {error}"))?;
    }
    world.finish().await.map_err(|error| format!("after all commands: {error}"))
}

/// Model and system side by side.
struct World<'a> {
    system: &'a mut System,
    model: Model,
    /// By index of the model.
    ids: Vec<RunId>,
    in_outbox: Vec<bool>,
}

impl World<'_> {
    async fn obey(&mut self, command: &Command) -> Result<(), String> {
        let before = self.system.digest().await;
        let expected = self.carry_out(command).await?;
        if !expected.changes_something() {
            let after = self.system.digest().await;
            if before != after {
                return Err(format!("{expected:?}, and yet rows changed: {before:?} {after:?}"));
            }
        }
        self.compare().await
    }

    /// Carries the command out in both and compares the outcomes.
    async fn carry_out(&mut self, command: &Command) -> Result<Outcome, String> {
        match command {
            Command::Create(new) => {
                let (expected, earlier) = self.model.create(new);
                let outcome = self.system.create(new).await;
                match &outcome {
                    Ok((id, true)) => self.ids.push(*id),
                    Ok((id, false)) if earlier.map(|run| self.ids[run]) == Some(*id) => {}
                    Ok((id, false)) => return Err(format!("the key gave run {id}")),
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
                let wanted = expected.map(|run| AttemptKey { run_id: self.ids[run], number: self.model.runs[run].attempts.len() as i32 });
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
            Command::Reannounce => {
                let expected = if self.system.announcement_is_due().await { 0 } else { self.model.reannounce(&self.in_outbox) };
                same("announced again", expected, self.system.reannounce().await.map_err(|error| error.to_string())?)?;
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
        run.map_or_else(RunId::fresh, |run| self.ids[run])
    }

    async fn work(&mut self, run: Option<usize>, number: i32, step: &Step) -> Result<Outcome, String> {
        let key = AttemptKey { run_id: self.id(run), number };
        let trains = run.is_none_or(|run| self.model.runs[run].trains());
        let expected = self.model.work(run, number, step);
        let outcome = agree(expected, self.system.work(key, step, trains).await)?;
        if let (Some(run), Step::Fail { jitter, .. }, Outcome::Done) = (run, step, outcome)
            && self.model.runs[run].status == RunStatus::Retrying
        {
            self.system.stretch_backoff(key.run_id, self.model.runs[run].attempts_used, *jitter).await?;
        }
        Ok(outcome)
    }

    async fn relay(&mut self, crash: Crash) -> Result<Outcome, String> {
        let announced = self.system.relay(crash).await.map_err(|error| error.to_string())?;
        for (run, id) in self.ids.iter().enumerate() {
            let (is_due, is_announced) = (self.model.is_due(run), announced.contains(id));
            if is_due && !is_announced {
                return Err(format!("run {run} is due and was not announced"));
            }
            if is_announced && !self.model.runs[run].waits() {
                return Err(format!("run {run} was announced and is {}", self.model.runs[run].status));
            }
            if is_announced && !matches!(crash, Crash::BeforeMarking) {
                self.model.announced(run, matches!(crash, Crash::Never));
            }
        }
        Ok(if matches!(crash, Crash::BeforeMarking) { Outcome::Nothing } else { Outcome::Done })
    }

    /// Model and database tell the same of every run, and no rule is broken.
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
            if model.waits() && model.needs_announcement && !seen.in_outbox {
                return Err(format!("run {index} waits unannounced and is not in the outbox"));
            }
        }
        self.in_outbox = seen.iter().map(|run| run.in_outbox).collect();
        invariants::check(&mut self.system.conn).await
    }

    /// Whatever happened, every run can still be brought to its end.
    async fn finish(&mut self) -> Result<(), String> {
        self.obey(&Command::Advance(1_500)).await?;
        self.obey(&Command::Reap).await?;
        // as if Redis lost every announcement
        self.obey(&Command::Relay(Crash::Never)).await?;
        self.obey(&Command::Advance(1_500)).await?;
        self.obey(&Command::Reannounce).await?;
        if let Some(run) = (0..self.ids.len()).find(|run| self.model.runs[*run].waits() && !self.in_outbox[*run]) {
            return Err(format!("run {run} waits and nobody will be told"));
        }
        while let Some(run) = self.model.claim(false) {
            let claimed = self.system.claim(0, false).await.map_err(|error| error.to_string())?;
            let number = self.model.runs[run].attempts.len() as i32;
            same("claimed", Some(AttemptKey { run_id: self.ids[run], number }), claimed)?;
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

/// The outcome must be the expected one.
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
