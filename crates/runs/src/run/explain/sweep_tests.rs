//! Explanations of sweeps and of the runs that they create.

use aprendiz_run_spec::RunKind;
use uuid::Uuid;

use super::facts::TrialFacts;
use super::render::render_explanation;
use super::tests::{ago, facts};
use crate::ids::RunId;
use crate::run::status::{RunStatus, SweepRole};

#[test]
fn a_waiting_sweep_counts_its_trials() {
    let mut facts = facts(RunStatus::Queued);
    facts.run.kind = RunKind::Sweep;
    facts.run.run_after = ago(-50);
    let trials = TrialFacts { planned: 20, created: 5, succeeded: 2, failed: 1, running: 2, ..TrialFacts::default() };
    facts.trials = Some(trials);
    let explanation = render_explanation(&facts);
    assert_eq!(explanation.summary, "waiting for its trials: 3 ended, 2 running, 0 waiting for a worker");
    assert!(explanation.facts[0].contains("for 20 trials") && explanation.facts[1].contains("1 failed"), "{explanation:?}");
    facts.trials = Some(TrialFacts { running: 0, waiting: 1, winner: Some(RunId(Uuid::from_u128(9))), ..trials });
    let explanation = render_explanation(&facts);
    assert!(explanation.summary.contains("which trains the best trial in full"), "{explanation:?}");
    assert!(explanation.next_steps[1].contains("run list --parent"), "{explanation:?}");
    // once it is woken, it waits for a slot like any other run
    facts.run.run_after = ago(1);
    assert!(!render_explanation(&facts).summary.contains("trial"));
}

#[test]
fn a_failed_trial_is_retried_with_its_sweep() {
    let mut facts = facts(RunStatus::Failed);
    (facts.run.error_code, facts.run.error_text) = (Some("child_failed".to_owned()), Some("it broke".to_owned()));
    (facts.run.sweep_role, facts.run.parent_run_id) = (Some(SweepRole::Trial), Some(RunId(Uuid::from_u128(9))));
    let steps = render_explanation(&facts).next_steps.join("\n");
    assert!(
        steps.contains(&format!("run retry {}", Uuid::from_u128(9))) && !steps.contains(&format!("run retry {}", facts.run.id)),
        "{steps}"
    );
}

#[test]
fn a_trial_that_succeeded_publishes_nothing() {
    let mut facts = facts(RunStatus::Succeeded);
    facts.run.started_at = Some(ago(20));
    (facts.run.sweep_role, facts.run.parent_run_id) = (Some(SweepRole::Trial), Some(RunId(Uuid::from_u128(9))));
    (facts.run.trial, facts.run.trials) = (Some(3), Some(20));
    let explanation = render_explanation(&facts);
    assert!(explanation.summary.contains("trial 3 of 20 of a sweep"), "{explanation:?}");
    assert!(explanation.next_steps[0].contains(&format!("run get {}", Uuid::from_u128(9))), "{explanation:?}");
}
