//! The life of a sweep: its trials, its winner, cancellation and retry.

use aprendiz_db::Scope;
use std::collections::BTreeSet;

use aprendiz_run_spec::{KindSpec, RunKind};
use aprendiz_runs::{
    AttemptId, Claim, NewMetric, RetryFilter, RunFilter, RunId, RunStatus, RunsError, SweepChild, SweepRole, SweepStep, advance_sweep,
    cancel_attempt, cancel_orphaned_trials, cancel_run, fail_attempt, find_run_ids, list_runs, list_trials, publish, reap_expired_leases,
    retry_run, retry_runs,
};
use serde_json::{Value, json};

use super::state_machine::invariants;
use crate::fixture::{Fixture, failure};

/// Creates a sweep over four values of `l2`, two at a time.
async fn create_sweep(fixture: &Fixture, settings: Value) -> RunId {
    let mut params = json!({ "space": { "l2": [0.1, 0.2, 0.3, 0.4] } });
    params.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    fixture
        .create_run_with(|spec| {
            spec.kind = RunKind::Sweep;
            spec.params = params.as_object().unwrap().clone();
        })
        .await
}

async fn advance(fixture: &Fixture, claim: &Claim) -> Result<SweepStep, RunsError> {
    let spec = claim.run.validated_spec().unwrap();
    let KindSpec::Sweep { params, .. } = spec.kind() else { panic!("{} is no sweep", claim.run.id) };
    advance_sweep(&mut *fixture.conn().await, claim.attempt, &claim.run, &spec, params).await
}

/// Claims the next run, which must be the sweep, and advances it.
async fn step(fixture: &Fixture, sweep: RunId) -> SweepStep {
    let claim = fixture.claim().await.expect("the sweep can be claimed");
    assert_eq!(claim.run.id, sweep, "the sweep is claimed before its trials, because it is older");
    let step = advance(fixture, &claim).await.unwrap();
    invariants::check(&mut *fixture.conn().await).await.unwrap();
    step
}

/// The same, if children must end first.
async fn wait(fixture: &Fixture, sweep: RunId) {
    let step = step(fixture, sweep).await;
    assert!(matches!(step, SweepStep::Waiting), "{step:?}");
}

/// Claims the next run, which must be a trial of this number.
async fn claim_trial(fixture: &Fixture, number: i32) -> Claim {
    let claim = fixture.claim().await.expect("a trial can be claimed");
    assert_eq!((claim.run.sweep_role, claim.run.trial), (Some(SweepRole::Trial), Some(number)));
    claim
}

/// Completes a trial, as a worker does, with this accuracy on validation.
async fn complete(fixture: &Fixture, attempt: AttemptId, accuracy: f64) {
    let details = json!({ "interval": { "low": accuracy - 0.1, "high": accuracy + 0.1 } });
    let metric = NewMetric { split: "validation", field: None, name: "accuracy".to_owned(), value: Some(accuracy), details: Some(details) };
    publish(&mut *fixture.conn().await, attempt, None, &[metric]).await.unwrap();
}

async fn trial(fixture: &Fixture, number: i32, accuracy: f64) {
    let claim = claim_trial(fixture, number).await;
    complete(fixture, claim.attempt, accuracy).await;
}

async fn fail(fixture: &Fixture, attempt: AttemptId) {
    fail_attempt(&mut *fixture.conn().await, attempt, &failure("non_finite_loss", false), 0.5).await.unwrap();
}

async fn children(fixture: &Fixture, sweep: RunId) -> Vec<SweepChild> {
    let run = fixture.run(sweep).await;
    list_trials(&mut *fixture.conn().await, &run).await.unwrap()
}

async fn active(fixture: &Fixture) -> i64 {
    let sql = "SELECT count(*) FROM sweep_children c JOIN training_runs r ON r.id = c.run_id
        WHERE r.status NOT IN ('succeeded', 'failed', 'cancelled')";
    fixture.number(sql).await
}

/// Creates a sweep and ends its trials: the second fails, the third is the best.
async fn ended_trials(fixture: &Fixture) -> RunId {
    let sweep = create_sweep(fixture, json!({})).await;
    wait(fixture, sweep).await;
    trial(fixture, 1, 0.7).await;
    wait(fixture, sweep).await;
    let second = claim_trial(fixture, 2).await;
    fail(fixture, second.attempt).await;
    wait(fixture, sweep).await;
    trial(fixture, 3, 0.9).await;
    wait(fixture, sweep).await;
    trial(fixture, 4, 0.9).await;
    sweep
}

#[tokio::test]
async fn one_worker_trains_all_trials_and_publishes_the_best() {
    let fixture = Fixture::new().await;
    let sweep = ended_trials(&fixture).await;
    wait(&fixture, sweep).await;
    let winner = fixture.claim().await.unwrap();
    assert_eq!((winner.run.sweep_role, winner.run.trial, winner.run.kind), (Some(SweepRole::Winner), Some(3), RunKind::Linear));
    assert_eq!((&winner.run.spec["params"]["l2"], winner.run.parent_run_id), (&json!(0.3), Some(sweep)));
    assert_eq!(winner.run.position, fixture.run(sweep).await.position);
    let number = fixture.publish(winner.attempt).await;
    assert!(matches!(step(&fixture, sweep).await, SweepStep::Succeeded));
    let run = fixture.run(sweep).await;
    // steps cost no attempt
    assert_eq!((run.status, run.model_version, run.attempts_used), (RunStatus::Succeeded, Some(number), 1));
    assert!(fixture.claim().await.is_none());
    let listed = children(&fixture, sweep).await;
    let order: Vec<(SweepRole, i32)> = listed.iter().map(|child| (child.role, child.trial)).collect();
    let trial = SweepRole::Trial;
    assert_eq!(order, [(SweepRole::Winner, 3), (trial, 3), (trial, 4), (trial, 1), (trial, 2)]);
    assert_eq!((listed[0].model_version, listed[1].value, listed[1].split.as_deref()), (Some(number), Some(0.9), Some("validation")));
    assert!(listed[1].low.is_some_and(|low| (low - 0.8).abs() < 1e-9) && listed[4].value.is_none());
    assert_eq!(listed[4].error_code.as_deref(), Some("non_finite_loss"));
}

#[tokio::test]
async fn no_more_trials_exist_at_once_than_the_spec_allows_and_none_twice() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({ "concurrency": 3 })).await;
    wait(&fixture, sweep).await;
    assert_eq!(active(&fixture).await, 3);
    assert_eq!(fixture.run(sweep).await.status, RunStatus::Queued);
    // the sweep waits; its trials are claimed
    let claims = [claim_trial(&fixture, 1).await, claim_trial(&fixture, 2).await, claim_trial(&fixture, 3).await];
    assert!(fixture.claim().await.is_none());
    // a step without an end, for example because the wake-up came twice
    fixture.execute(&format!("UPDATE training_runs SET run_after = clock_timestamp() WHERE id = '{sweep}'")).await.unwrap();
    wait(&fixture, sweep).await;
    assert_eq!(children(&fixture, sweep).await.len(), 3);
    complete(&fixture, claims[1].attempt, 0.5).await;
    wait(&fixture, sweep).await;
    assert_eq!((active(&fixture).await, children(&fixture, sweep).await.len()), (3, 4));
    let error = fixture
        .execute(
            "INSERT INTO sweep_children
             SELECT gen_random_uuid(), sweep_id, role, trial, trials, rung, train_fraction, chosen FROM sweep_children",
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("sweep_children_sweep_id_role_trial_rung_key"), "{error}");
}

#[tokio::test]
async fn a_lost_worker_neither_loses_nor_repeats_a_trial() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({ "concurrency": 1 })).await;
    // lost before it created anything
    let claim = fixture.claim().await.unwrap();
    fixture.expire(claim.attempt).await;
    reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap();
    let late = advance(&fixture, &claim).await.unwrap_err();
    assert!(matches!(late, RunsError::LeaseLost { .. }), "{late}");
    assert!(children(&fixture, sweep).await.is_empty());
    wait(&fixture, sweep).await;
    // the trial is lost, and goes on
    let claim = claim_trial(&fixture, 1).await;
    fixture.expire(claim.attempt).await;
    reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap();
    trial(&fixture, 1, 0.5).await;
    wait(&fixture, sweep).await;
    assert_eq!(children(&fixture, sweep).await.len(), 2);
}

#[tokio::test]
async fn the_end_of_a_trial_is_not_overlooked_by_a_step_at_the_same_time() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({ "concurrency": 1 })).await;
    wait(&fixture, sweep).await;
    let claim = claim_trial(&fixture, 1).await;
    fixture.execute(&format!("UPDATE training_runs SET run_after = clock_timestamp() WHERE id = '{sweep}'")).await.unwrap();
    let sweep_claim = fixture.claim().await.unwrap();
    // the trial has ended, and its transaction is still open: it holds the lock of the sweep
    let mut ending = fixture.pool().begin().await.unwrap();
    let metric = NewMetric { split: "validation", field: None, name: "accuracy".to_owned(), value: Some(0.5), details: None };
    publish(&mut ending, claim.attempt, None, &[metric]).await.unwrap();
    let (stepped, ()) = tokio::join!(advance(&fixture, &sweep_claim), async {
        fixture.wait_for_blocked_statement().await;
        ending.commit().await.unwrap();
    });
    assert!(matches!(stepped.unwrap(), SweepStep::Waiting));
    assert_eq!(children(&fixture, sweep).await.len(), 2, "the step has seen the end, and created the next trial");
}

#[tokio::test]
async fn a_sweep_without_a_result_fails_and_a_retry_continues() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({ "space": { "l2": [0.1, 0.2] } })).await;
    wait(&fixture, sweep).await;
    for number in [1, 2] {
        let claim = claim_trial(&fixture, number).await;
        fail(&fixture, claim.attempt).await;
        if number == 1 {
            wait(&fixture, sweep).await;
        }
    }
    let claim = fixture.claim().await.unwrap();
    let SweepStep::Failed(reason) = advance(&fixture, &claim).await.unwrap() else { panic!("every trial failed") };
    assert!(reason.code == "no_trial_succeeded" && reason.text.contains("trial 2 (l2=0.2): non_finite_loss"), "{}", reason.text);
    fail_attempt(&mut *fixture.conn().await, claim.attempt, &reason, 0.5).await.unwrap();
    assert_eq!(fixture.run(sweep).await.status, RunStatus::Failed);

    let single = children(&fixture, sweep).await[0].run_id;
    let error = retry_run(&mut *fixture.conn().await, single, "ana").await.unwrap_err();
    assert!(error.to_string().contains("retry its parent run"), "{error}");
    let filter = RetryFilter { status: RunStatus::Failed, error_code: None, model: None, kind: None, since: None, until: None };
    let retried = retry_runs(&mut *fixture.conn().await, &filter, 10, false, "ana").await.unwrap();
    assert_eq!((retried.matched, retried.retried), (1, vec![sweep]));
    invariants::check(&mut *fixture.conn().await).await.unwrap();
    wait(&fixture, sweep).await;
    trial(&fixture, 1, 0.5).await;
    assert_eq!(children(&fixture, sweep).await.len(), 2);
}

#[tokio::test]
async fn a_failed_winner_fails_the_sweep_and_only_the_winner_is_retried() {
    let fixture = Fixture::new().await;
    let sweep = ended_trials(&fixture).await;
    wait(&fixture, sweep).await;
    let winner = fixture.claim().await.unwrap();
    fail(&fixture, winner.attempt).await;
    let claim = fixture.claim().await.unwrap();
    let SweepStep::Failed(reason) = advance(&fixture, &claim).await.unwrap() else { panic!("the winner failed") };
    assert_eq!(reason.code, "winner_failed");
    fail_attempt(&mut *fixture.conn().await, claim.attempt, &reason, 0.5).await.unwrap();
    retry_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap();
    wait(&fixture, sweep).await;
    let again = fixture.claim().await.unwrap();
    assert_eq!(again.run.id, winner.run.id);
    fixture.publish(again.attempt).await;
    assert!(matches!(step(&fixture, sweep).await, SweepStep::Succeeded));
    assert_eq!(children(&fixture, sweep).await.len(), 5, "the failed trial stays as it is");
}

#[tokio::test]
async fn halving_trains_the_best_again_on_more() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({ "concurrency": 4, "halving": { "eta": 2, "rungs": 2 } })).await;
    wait(&fixture, sweep).await;
    for (number, accuracy) in [(1, 0.7), (2, 0.6), (3, 0.9), (4, 0.8)] {
        let claim = claim_trial(&fixture, number).await;
        assert_eq!((claim.run.rung, claim.run.train_fraction), (Some(1), Some(0.5)));
        complete(&fixture, claim.attempt, accuracy).await;
        wait(&fixture, sweep).await;
    }
    for (number, accuracy) in [(3, 0.5), (4, 0.6)] {
        let claim = claim_trial(&fixture, number).await;
        assert_eq!((claim.run.rung, claim.run.train_fraction), (Some(2), None));
        complete(&fixture, claim.attempt, accuracy).await;
        wait(&fixture, sweep).await;
    }
    assert_eq!(fixture.claim().await.unwrap().run.trial, Some(4), "the best of the last rung wins");
}

#[tokio::test]
async fn cancellation_reaches_every_child() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({})).await;
    wait(&fixture, sweep).await;
    let running = claim_trial(&fixture, 1).await;
    cancel_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap();
    invariants::check(&mut *fixture.conn().await).await.unwrap();
    assert_eq!(fixture.run(sweep).await.status, RunStatus::Cancelled);
    let statuses: BTreeSet<&str> = children(&fixture, sweep).await.iter().map(|child| child.status.as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["cancelled", "cancelling"]));
    let early = retry_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap_err();
    assert!(early.to_string().contains("still being cancelled"), "{early}");
    cancel_attempt(&mut *fixture.conn().await, running.attempt).await.unwrap();
    assert!(fixture.claim().await.is_none());
    retry_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap();
    wait(&fixture, sweep).await;
    trial(&fixture, 1, 0.5).await;
    assert_eq!(children(&fixture, sweep).await.len(), 2);
    invariants::check(&mut *fixture.conn().await).await.unwrap();
}

#[tokio::test]
async fn a_child_that_was_locked_during_the_cancellation_is_cancelled_later() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({})).await;
    wait(&fixture, sweep).await;
    assert_eq!(cancel_orphaned_trials(&mut *fixture.conn().await, 100).await.unwrap(), 0);
    let locked = children(&fixture, sweep).await[0].run_id;
    let mut holder = fixture.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM training_runs WHERE id = $1 FOR UPDATE").bind(locked).execute(&mut *holder).await.unwrap();
    cancel_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap();
    holder.rollback().await.unwrap();
    assert_eq!(fixture.run(locked).await.status, RunStatus::Queued);
    assert_eq!(cancel_orphaned_trials(&mut *fixture.conn().await, 100).await.unwrap(), 1);
    assert_eq!(fixture.run(locked).await.status, RunStatus::Cancelled);
    assert_eq!(active(&fixture).await, 0);
}

#[tokio::test]
async fn a_step_of_a_cancelling_sweep_creates_nothing() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({})).await;
    let claim = fixture.claim().await.unwrap();
    cancel_run(&mut *fixture.conn().await, sweep, "ana").await.unwrap();
    let error = advance(&fixture, &claim).await.unwrap_err();
    assert!(matches!(error, RunsError::CancelRequested { .. }), "{error}");
    cancel_attempt(&mut *fixture.conn().await, claim.attempt).await.unwrap();
    assert!(children(&fixture, sweep).await.is_empty());
}

#[tokio::test]
async fn lists_leave_out_trials_if_requested() {
    let fixture = Fixture::new().await;
    let sweep = create_sweep(&fixture, json!({})).await;
    wait(&fixture, sweep).await;
    let list = async |filter: RunFilter| list_runs(&mut *fixture.conn().await, &Scope::All, &filter, 10).await.unwrap().len();
    assert_eq!(list(RunFilter::default()).await, 3);
    assert_eq!(list(RunFilter { hide_trials: true, ..RunFilter::default() }).await, 1);
    assert_eq!(list(RunFilter { parent: Some(sweep), ..RunFilter::default() }).await, 2);
    let newest = find_run_ids(&mut *fixture.conn().await, &Scope::All, None, None, 1).await.unwrap();
    assert_eq!(newest[0].id, sweep.0);
}
