//! Trains in the process of the test, and collects the events.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use aprendiz_training::{Event, Outcome, TrainingJob, TrainingSummary, run};

/// Trains until the end, or until `on_event` breaks.
pub(crate) fn train(job: &TrainingJob, mut on_event: impl FnMut(&Event) -> ControlFlow<()>) -> (Outcome, Vec<Event>) {
    let stop = AtomicBool::new(false);
    let mut events = Vec::new();
    let outcome = run(job, &stop, &mut |line| {
        if on_event(&line.event).is_break() {
            stop.store(true, Ordering::Relaxed);
        }
        events.push(line.event);
    });
    (outcome.unwrap(), events)
}

pub(crate) fn train_to_the_end(job: &TrainingJob) -> (TrainingSummary, Vec<Event>) {
    let (outcome, events) = train(job, |_| ControlFlow::Continue(()));
    (summary(outcome), events)
}

/// The summary of a training that reached its end.
pub(crate) fn summary(outcome: Outcome) -> TrainingSummary {
    match outcome {
        Outcome::Trained(summary) => *summary,
        Outcome::Stopped { step } => panic!("stopped at step {step}"),
    }
}
