//! What a sweep does next: a pure function of its settings and its children.

use std::collections::BTreeMap;

use aprendiz_run_spec::SweepParams;

use crate::run::attempt::Failure;
use crate::run::status::{RunStatus, SweepRole};
use crate::run::sweep::child::{SweepChild, rank};

/// Error code of a sweep without a single result.
pub(crate) const NO_TRIAL_SUCCEEDED: &str = "no_trial_succeeded";
/// Error code of a sweep whose best trial could not be trained in full.
pub(crate) const WINNER_FAILED: &str = "winner_failed";
/// Maximum number of failed trials in an error text.
const MAX_LISTED: usize = 10;

/// The next step of a sweep.
#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// Create these trials of a rung, by number, and wait. May be empty.
    Trials {
        /// The rung, from 1.
        rung: u32,
        /// Numbers of the trials, from 1.
        numbers: Vec<u32>,
    },
    /// Train the trial with this number in full, and publish it.
    Winner(u32),
    /// The winner has published its version.
    Succeeded,
    /// The sweep fails for good.
    Failed(Failure),
}

/// Decides from the children that exist so far.
pub(crate) fn decide(params: &SweepParams, children: &[SweepChild]) -> Decision {
    if let Some(winner) = children.iter().find(|child| child.role == SweepRole::Winner) {
        return match winner.status {
            RunStatus::Succeeded => Decision::Succeeded,
            RunStatus::Failed | RunStatus::Cancelled => {
                let text = format!(
                    "trial {} is the best, but run {}, which trains it in full, did not succeed: {}",
                    winner.trial,
                    winner.run_id,
                    reason(winner)
                );
                Decision::Failed(Failure { code: WINNER_FAILED.to_owned(), text, retryable: false })
            }
            _ => Decision::Trials { rung: params.rungs(), numbers: Vec::new() },
        };
    }
    let active = children.iter().filter(|child| !child.status.is_final()).count();
    let mut candidates: Vec<u32> = params.trials().iter().map(|trial| trial.number).collect();
    for rung in 1..=params.rungs() {
        let of_rung: BTreeMap<u32, &SweepChild> = children
            .iter()
            .filter(|child| u32::try_from(child.rung) == Ok(rung))
            .filter_map(|child| Some((u32::try_from(child.trial).ok()?, child)))
            .collect();
        let free = (params.concurrency() as usize).saturating_sub(active);
        let missing: Vec<u32> = candidates.iter().copied().filter(|number| !of_rung.contains_key(number)).collect();
        if !missing.is_empty() || of_rung.values().any(|child| !child.status.is_final()) {
            return Decision::Trials { rung, numbers: missing.into_iter().take(free).collect() };
        }
        let ranked: Vec<u32> =
            rank(children, rung, params.metric().is_loss()).iter().filter_map(|child| u32::try_from(child.trial).ok()).collect();
        let Some(best) = ranked.first() else {
            return Decision::Failed(describe_failures(rung, params, of_rung.values().copied()));
        };
        if rung == params.rungs() {
            return Decision::Winner(*best);
        }
        let survivors = params.survivors(candidates.len());
        candidates = ranked.into_iter().take(survivors).collect();
        candidates.sort_unstable();
    }
    unreachable!("a sweep has at least one rung, and the last one returns")
}

fn describe_failures<'a>(rung: u32, params: &SweepParams, trials: impl Iterator<Item = &'a SweepChild>) -> Failure {
    let reasons: Vec<String> = trials
        .map(|child| {
            let trial = usize::try_from(child.trial - 1).ok().and_then(|index| params.trials().get(index));
            let chosen = trial.map(|trial| format!(" ({})", trial.describe())).unwrap_or_default();
            format!("trial {}{chosen}: {}", child.trial, reason(child))
        })
        .collect();
    let more = if reasons.len() > MAX_LISTED { format!("; and {} more", reasons.len() - MAX_LISTED) } else { String::new() };
    let rung = if params.rungs() > 1 { format!(" of rung {rung}") } else { String::new() };
    let text = format!("no trial{rung} succeeded: {}{more}", reasons[..reasons.len().min(MAX_LISTED)].join("; "));
    Failure { code: NO_TRIAL_SUCCEEDED.to_owned(), text, retryable: false }
}

/// Why a child has no result.
fn reason(child: &SweepChild) -> String {
    match (child.status, &child.error_text, &child.error_code) {
        (RunStatus::Cancelled, ..) => "cancelled".to_owned(),
        (_, Some(text), Some(code)) => format!("{text} ({code})"),
        _ => "it has no value of the metric".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_run_spec::{KindSpec, RunSpec};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::ids::RunId;

    fn params(params: &Value) -> SweepParams {
        let spec: RunSpec = serde_json::from_value(json!({ "model": "m", "kind": "sweep", "params": params })).unwrap();
        match spec.validate().unwrap().kind() {
            KindSpec::Sweep { params, .. } => params.clone(),
            _ => unreachable!("the kind is sweep"),
        }
    }

    fn four() -> SweepParams {
        params(&json!({ "space": { "l2": [0.1, 0.2, 0.3, 0.4] } }))
    }

    fn child(trial: i32, rung: i32, status: RunStatus, value: Option<f64>) -> SweepChild {
        let failed = status == RunStatus::Failed;
        SweepChild {
            run_id: RunId(Uuid::from_u128(u128::from(trial.unsigned_abs()))),
            role: SweepRole::Trial,
            trial,
            rung,
            train_fraction: None,
            chosen: json!({}),
            status,
            value,
            low: None,
            high: None,
            split: None,
            error_code: failed.then(|| "child_failed".to_owned()),
            error_text: failed.then(|| "it broke".to_owned()),
            model_version: None,
            started_at: None,
            finished_at: None,
        }
    }

    fn trials(decision: Decision) -> (u32, Vec<u32>) {
        match decision {
            Decision::Trials { rung, numbers } => (rung, numbers),
            other => panic!("{other:?}"),
        }
    }

    fn winner(decision: Decision) -> u32 {
        match decision {
            Decision::Winner(number) => number,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn at_most_as_many_trials_run_as_the_spec_allows() {
        let sweep = four();
        assert_eq!(trials(decide(&sweep, &[])), (1, vec![1, 2]));
        let one_active = [child(1, 1, RunStatus::Succeeded, Some(0.5)), child(2, 1, RunStatus::Retrying, None)];
        assert_eq!(trials(decide(&sweep, &one_active)), (1, vec![3]));
        let full = [child(1, 1, RunStatus::Running, None), child(2, 1, RunStatus::Cancelling, None)];
        assert_eq!(trials(decide(&sweep, &full)), (1, vec![]));
    }

    #[test]
    fn the_best_trial_wins_and_of_equal_ones_the_first() {
        let values = |values: [f64; 4]| -> Vec<SweepChild> {
            (1..).zip(values).map(|(trial, value)| child(trial, 1, RunStatus::Succeeded, Some(value))).collect()
        };
        assert_eq!(winner(decide(&four(), &values([0.5, 0.9, 0.9, 0.1]))), 2);
        let loss = params(&json!({ "space": { "l2": [0.1, 0.2, 0.3, 0.4] }, "metric": "log_loss" }));
        assert_eq!(winner(decide(&loss, &values([0.5, 0.9, 0.9, 0.1]))), 4);
    }

    #[test]
    fn failed_trials_do_not_fail_the_sweep_unless_all_do() {
        let mut children: Vec<SweepChild> = (1..=4).map(|trial| child(trial, 1, RunStatus::Failed, None)).collect();
        let Decision::Failed(failure) = decide(&four(), &children) else { panic!("all failed") };
        assert!(!failure.retryable && failure.code == NO_TRIAL_SUCCEEDED);
        assert!(failure.text.contains("trial 2 (l2=0.2): it broke (child_failed)"), "{}", failure.text);
        children[2] = child(3, 1, RunStatus::Succeeded, Some(0.0));
        assert_eq!(winner(decide(&four(), &children)), 3);
        children[2] = child(3, 1, RunStatus::Running, None);
        assert_eq!(trials(decide(&four(), &children)), (1, vec![]));
    }

    #[test]
    fn the_best_of_a_rung_go_on() {
        let sweep = params(&json!({ "space": { "l2": [0.1, 0.2, 0.3, 0.4] }, "halving": { "eta": 2, "rungs": 2 } }));
        let mut children = vec![
            child(1, 1, RunStatus::Succeeded, Some(0.7)),
            child(2, 1, RunStatus::Failed, None),
            child(3, 1, RunStatus::Succeeded, Some(0.6)),
            child(4, 1, RunStatus::Succeeded, Some(0.8)),
        ];
        assert_eq!(trials(decide(&sweep, &children)), (2, vec![1, 4]));
        children.push(child(1, 2, RunStatus::Succeeded, Some(0.95)));
        assert_eq!(trials(decide(&sweep, &children)), (2, vec![4]));
        children.push(child(4, 2, RunStatus::Succeeded, Some(0.9)));
        // a better value of an earlier rung does not count
        assert_eq!(winner(decide(&sweep, &children)), 1);
    }

    #[test]
    fn the_winner_ends_the_sweep() {
        let with = |status| {
            let mut children: Vec<SweepChild> = (1..=4).map(|trial| child(trial, 1, RunStatus::Succeeded, Some(0.5))).collect();
            children.push(SweepChild { role: SweepRole::Winner, ..child(1, 1, status, None) });
            decide(&four(), &children)
        };
        assert!(matches!(with(RunStatus::Succeeded), Decision::Succeeded));
        assert_eq!(trials(with(RunStatus::Running)), (1, vec![]));
        let Decision::Failed(failure) = with(RunStatus::Failed) else { panic!("the winner failed") };
        assert!(failure.code == WINNER_FAILED && failure.text.contains("it broke"), "{}", failure.text);
        assert!(matches!(with(RunStatus::Cancelled), Decision::Failed(_)));
    }
}
