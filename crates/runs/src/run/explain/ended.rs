//! Explanation of runs that have ended.

use aprendiz_run_spec::RunKind;

use super::facts::RunFacts;
use super::format::{duration, timestamp};
use super::sections::{Explanation, command, history, next_step};
use crate::run::fail::TRAINING_PROCESS_KILLED;
use crate::run::status::SweepRole;

const NOTHING_MEASURED: &str = "nothing was measured: the test split has no example of the trained fields; import and review documents that are not near-duplicates of these, and train again";

pub(super) fn succeeded(facts: &RunFacts) -> Explanation {
    let run = &facts.run;
    let elapsed = match (run.started_at, run.finished_at) {
        (Some(started), Some(finished)) => format!(" after {}", duration(finished - started)),
        _ => String::new(),
    };
    let nothing_measured = measured_nothing(facts);
    let worse = worse_than_base(facts);
    let mut lines: Vec<String> = run.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    if nothing_measured && !run.warnings.iter().any(|warning| warning.starts_with("nothing was measured")) {
        lines.insert(0, NOTHING_MEASURED.to_owned());
    }
    lines.extend(run.finished_at.map(|at| format!("ended at {}", timestamp(at))));
    lines.extend(headline(facts));
    lines.extend(run.dataset_id.map(|id| format!("dataset snapshot {id}")));
    let (summary, next_steps) = match run.model_version {
        Some(version) => (
            if nothing_measured {
                format!("succeeded{elapsed} and published {} version {version}, but nothing was measured", run.model)
            } else if let Some((trained, base)) = worse {
                format!(
                    "succeeded{elapsed} and published {} version {version}, but it is worse than its base model (average precision \
                     {trained:.4}, base model {base:.4})",
                    run.model
                )
            } else {
                format!("succeeded{elapsed} and published {} version {version}", run.model)
            },
            vec![
                format!("all metrics: {}", command(facts, "get")),
                format!("the model: aprendiz model download {} --number {version}", run.model),
            ],
        ),
        None if run.dataset_only => (
            format!("succeeded{elapsed}: the dataset snapshot is built, as requested"),
            vec![format!("the snapshot: aprendiz dataset download {}", run.id)],
        ),
        None if run.sweep_role == Some(SweepRole::Trial) => (
            format!(
                "succeeded{elapsed}: trial {} of {} of a sweep, which compares it on validation and publishes the best",
                run.trial.unwrap_or_default(),
                run.trials.unwrap_or_default()
            ),
            vec![format!("all trials: aprendiz run get {}", run.parent_run_id.unwrap_or(run.id))],
        ),
        None if run.verifies_version_id.is_some() => (
            format!("succeeded{elapsed}: a version of {} was trained again and compared", run.model),
            vec![format!("the result: aprendiz model versions {}", run.model), format!("the files that differ: {}", command(facts, "get"))],
        ),
        None if run.evaluated_version().is_some() => {
            let number = run.evaluated_version().unwrap_or_default();
            (
                format!("succeeded{elapsed}: {} version {number} is evaluated on the test documents of its snapshot", run.model),
                vec![
                    format!("all metrics: {}", command(facts, "get")),
                    format!("wrong predictions: {}", command(facts, "errors")),
                    format!("the comparison with another version: aprendiz model compare {} --baseline {number}", run.model),
                ],
            )
        }
        None if run.predicting_version().is_some() => {
            let number = run.predicting_version().unwrap_or_default();
            (
                format!("succeeded{elapsed}: {} version {number} has predicted the selected documents", run.model),
                vec![
                    format!("counts, and the answered share by field: {}", command(facts, "get")),
                    format!(
                        "the least certain predictions: aprendiz annotations waiting --order uncertain --extractor {}@{number}",
                        run.model
                    ),
                    format!(
                        "pre-annotated tasks: aprendiz annotations export --format label-studio-predictions --extractor {}@{number} --to FILE",
                        run.model
                    ),
                ],
            )
        }
        None => (format!("succeeded{elapsed}: the stored predictions are scored"), vec![format!("all metrics: {}", command(facts, "get"))]),
    };
    lines.extend(history(facts));
    Explanation { status: run.status, summary, facts: lines, next_steps }
}

pub(super) fn failed(facts: &RunFacts) -> Explanation {
    let run = &facts.run;
    let code = run.error_code.as_deref().unwrap_or("unknown");
    let text = run.error_text.as_deref().unwrap_or("no error text was recorded");
    let mut lines = Vec::new();
    if code == TRAINING_PROCESS_KILLED {
        lines.push(
            "in quarantine: a signal killed its training process in two attempts, most likely because it ran out of memory".to_owned(),
        );
    } else if run.attempts_used >= run.max_attempts {
        lines.push(match run.max_attempts {
            1 => "its only attempt is used up".to_owned(),
            all => format!("all {all} attempts are used up"),
        });
    } else {
        lines.push("not retried: another attempt would fail in the same way".to_owned());
    }
    lines.extend(run.finished_at.map(|at| format!("failed at {}, {} ago", timestamp(at), duration(facts.now - at))));
    lines.extend(history(facts));
    Explanation { status: run.status, summary: format!("failed: {text} ({code})"), facts: lines, next_steps: vec![next_step(facts, code)] }
}

pub(super) fn cancelled(facts: &RunFacts) -> Explanation {
    let run = &facts.run;
    let by = facts.cancelled_by.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let at = run.finished_at.map(|at| format!(" at {}", timestamp(at))).unwrap_or_default();
    let mut lines = Vec::new();
    if run.started_at.is_none() {
        lines.push("it was never started".to_owned());
    }
    if let Some(step) = facts.checkpoint_step {
        lines.push(format!("training can resume from the checkpoint of step {step}"));
    }
    lines.extend(history(facts));
    let next_steps = vec![match run.parent_run_id.filter(|_| run.sweep_role.is_some()) {
        Some(sweep) => format!("to run it again, retry its sweep: aprendiz run retry {sweep}"),
        None => format!("to run it again: {}", command(facts, "retry")),
    }];
    Explanation { status: run.status, summary: format!("cancelled{by}{at}"), facts: lines, next_steps }
}

/// Whether the test split had no example, so that the model is of unknown quality.
fn measured_nothing(facts: &RunFacts) -> bool {
    let counts: Vec<f64> = facts.headline.iter().filter(|(_, name, _)| matches!(name.as_str(), "n" | "pairs")).map(|(.., n)| *n).collect();
    !counts.is_empty() && counts.iter().all(|count| *count == 0.0)
}

/// The average precision of an encoder and that of its base model, if training made it worse.
fn worse_than_base(facts: &RunFacts) -> Option<(f64, f64)> {
    let value = |wanted: &str| facts.headline.iter().find(|(split, name, _)| split == "test" && name == wanted).map(|(.., value)| *value);
    value("average_precision").zip(value("base_average_precision")).filter(|(trained, base)| trained < base)
}

/// The main metrics, over all fields.
fn headline(facts: &RunFacts) -> Option<String> {
    if facts.headline.is_empty() {
        return None;
    }
    let split = match facts.run.kind {
        RunKind::Evaluate => "on all reviewed values",
        RunKind::Predict => "on the selected documents",
        _ => "on the test split",
    };
    let metrics: Vec<String> = facts
        .headline
        .iter()
        .map(|(_, name, value)| match name.as_str() {
            "n" | "pairs" => format!("{name} {value:.0}"),
            name => format!("{} {value:.3}", name.replace('_', " ")),
        })
        .collect();
    Some(format!("{split}, over all fields: {}", metrics.join(", ")))
}
