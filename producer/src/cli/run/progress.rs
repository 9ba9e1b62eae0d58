//! Run events as text, and the progress derived from them.

use std::time::Duration;

use serde_json::Value;

/// The phases of a training in their order, with the fraction of the whole run at which each ends. Training takes most of the time.
const PHASES: [(&str, f64); 6] =
    [("dataset", 0.1), ("train", 0.8), ("evaluate", 0.92), ("predict", 0.96), ("upload", 0.98), ("publish", 1.0)];
/// Minimum fraction of a phase from which the remaining time is estimated.
const MIN_FRACTION: f64 = 0.02;

/// Latest progress of a run, accumulated from its events.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct RunProgress {
    pub(crate) status: String,
    pub(crate) phase: String,
    /// The field being trained, or the stage.
    pub(crate) field: String,
    pub(crate) step: Option<u64>,
    pub(crate) epoch: Option<(u64, u64)>,
    /// Documents that are done, and all of them.
    pub(crate) documents: Option<(u64, u64)>,
    pub(crate) loss: Option<f64>,
    /// Completed fraction of the phase, from 0 to 1.
    pub(crate) fraction: Option<f64>,
    /// Completed fraction of the run, from 0 to 1. Decreases only when another attempt starts.
    pub(crate) total: f64,
}

impl RunProgress {
    /// Applies an event.
    pub(crate) fn apply(&mut self, kind: &str, payload: &Value) {
        match kind {
            "state" | "end" => {
                self.status = string(payload, "status");
                if self.status != "running" {
                    self.phase.clear();
                }
                self.reset_phase();
                match self.status.as_str() {
                    "succeeded" => self.total = 1.0,
                    "queued" | "retrying" => self.total = 0.0,
                    _ => {}
                }
            }
            "phase" => {
                self.phase = string(payload, "phase");
                self.reset_phase();
                self.advance();
            }
            "metric" => {
                let number = |key: &str| payload[key].as_u64();
                // stages such as n-gram counting precede the first field
                self.field = ["field", "stage"].iter().find_map(|key| payload[key].as_str()).unwrap_or_default().to_owned();
                self.step = number("step").filter(|step| *step > 0);
                self.epoch = number("epoch").zip(number("epochs"));
                self.documents = number("documents").zip(number("documents_total"));
                // every field has a loss of its own, so one is never kept for the next
                self.loss = payload["loss"].as_f64();
                self.fraction = payload["fraction"].as_f64().map(|fraction| fraction.clamp(0.0, 1.0)).or(self.fraction);
                self.advance();
            }
            _ => {}
        }
    }

    /// Clears everything but status, phase and the total.
    fn reset_phase(&mut self) {
        *self =
            Self { status: std::mem::take(&mut self.status), phase: std::mem::take(&mut self.phase), total: self.total, ..Self::default() };
    }

    fn advance(&mut self) {
        let Some(index) = PHASES.iter().position(|(phase, _)| *phase == self.phase) else { return };
        // a run that predicts begins with this phase, which takes all of its time
        let start = if index == 0 || self.phase == "predict" { 0.0 } else { PHASES[index - 1].1 };
        let end = PHASES[index].1;
        self.total = self.total.max(start + (end - start) * self.fraction.unwrap_or(0.0));
    }

    /// Whether the run waits for a worker.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.status.as_str(), "" | "queued" | "retrying")
    }

    /// Estimated remaining time of the phase, `elapsed` after its start; `None` without a basis for an estimate.
    pub(crate) fn remaining(&self, elapsed: Duration) -> Option<Duration> {
        let fraction = self.fraction.filter(|fraction| (MIN_FRACTION..1.0).contains(fraction))?;
        let remaining = elapsed.mul_f64((1.0 - fraction) / fraction);
        (remaining >= Duration::from_secs(1)).then_some(remaining)
    }

    /// The progress in one line.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![if self.phase.is_empty() { self.status.clone() } else { self.phase.clone() }];
        if !self.field.is_empty() {
            parts.push(self.field.clone());
        }
        parts.extend(self.documents.map(|(done, total)| format!("{done} of {total} documents")));
        parts.extend(self.epoch.map(|(epoch, epochs)| format!("epoch {epoch}/{epochs}")));
        parts.extend(self.step.map(|step| format!("step {step}")));
        parts.extend(self.loss.map(|loss| format!("loss {loss:.4}")));
        parts.join("  ")
    }
}

/// An event as text.
pub(crate) fn describe_event(kind: &str, payload: &Value) -> String {
    match kind {
        "state" | "end" => {
            let mut text = string(payload, "status");
            for (key, before) in [("by", " by "), ("attempt", ", attempt "), ("awaits", ", awaits "), ("code", ": ")] {
                if let Some(value) = payload[key].as_str() {
                    text.push_str(before);
                    text.push_str(value);
                }
            }
            if let Some(value) = payload["text"].as_str() {
                text.push_str(": ");
                text.push_str(value);
            }
            if let Some(seconds) = payload["seconds"].as_f64() {
                text.push_str(&format!(", retry in {seconds:.0} s"));
            }
            text
        }
        "phase" => string(payload, "phase"),
        "metric" => {
            let mut progress = RunProgress::default();
            progress.apply(kind, payload);
            let line = progress.line();
            let percent = progress.fraction.map(|fraction| format!("{:.0} %", (fraction * 100.0).floor())).unwrap_or_default();
            let parts: Vec<&str> = [line.trim_start(), percent.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
            if parts.is_empty() { describe_values(payload) } else { parts.join("  ") }
        }
        _ => ["text", "message"].iter().find_map(|key| payload[key].as_str()).map_or_else(|| describe_values(payload), str::to_owned),
    }
}

/// The plain values of an event that has no text, such as `step 11`.
fn describe_values(payload: &Value) -> String {
    let values = payload.as_object().into_iter().flatten().filter_map(|(key, value)| match value {
        Value::String(text) => Some(format!("{} {text}", key.replace('_', " "))),
        Value::Number(_) | Value::Bool(_) => Some(format!("{} {value}", key.replace('_', " "))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    });
    values.collect::<Vec<_>>().join(", ")
}

fn string(payload: &Value, key: &str) -> String {
    payload[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_accumulated_and_reset_with_the_phase() {
        let mut progress = RunProgress::default();
        progress.apply("state", &json!({ "status": "running" }));
        progress.apply("phase", &json!({ "phase": "train" }));
        progress.apply("metric", &json!({ "field": "law", "step": 7, "epoch": 3, "epochs": 20, "loss": 0.25, "fraction": 0.5 }));
        assert_eq!(progress.line(), "train  law  epoch 3/20  step 7  loss 0.2500");
        assert_eq!(progress.fraction, Some(0.5));
        progress.apply("metric", &json!({ "field": "type", "step": 8, "fraction": 0.6 }));
        assert_eq!(progress.line(), "train  type  step 8", "the loss of another field is not shown");
        progress.apply("phase", &json!({ "phase": "upload" }));
        assert_eq!((progress.line().as_str(), progress.fraction), ("upload", None));
        progress.apply("end", &json!({ "status": "succeeded" }));
        assert_eq!(progress.line(), "succeeded");
    }

    #[test]
    fn the_total_never_decreases_within_an_attempt_and_ends_at_one() {
        let mut progress = RunProgress::default();
        let mut totals = Vec::new();
        for (kind, payload) in [
            ("state", json!({ "status": "queued" })),
            ("state", json!({ "status": "running" })),
            ("phase", json!({ "phase": "dataset" })),
            ("phase", json!({ "phase": "train" })),
            ("metric", json!({ "stage": "fit", "fraction": 0.5 })),
            ("phase", json!({ "phase": "evaluate" })),
            ("metric", json!({ "stage": "score", "fraction": 0.0 })),
            ("phase", json!({ "phase": "upload" })),
            ("phase", json!({ "phase": "publish" })),
            ("state", json!({ "status": "succeeded" })),
            ("end", json!({ "status": "succeeded" })),
        ] {
            progress.apply(kind, &payload);
            totals.push(progress.total);
        }
        assert!(totals.is_sorted(), "{totals:?}");
        assert!(totals[4] > totals[3] && totals[5] > totals[4], "{totals:?}");
        assert_eq!((totals[0], totals.last()), (0.0, Some(&1.0)));
        progress.apply("state", &json!({ "status": "retrying" }));
        assert_eq!(progress.total, 0.0, "another attempt starts over");
    }

    #[test]
    fn no_remaining_time_is_shown_without_a_basis() {
        let at = |fraction| RunProgress { fraction, ..RunProgress::default() }.remaining(Duration::from_secs(10));
        assert_eq!(at(Some(0.5)), Some(Duration::from_secs(10)));
        for fraction in [None, Some(0.0), Some(0.99), Some(1.0)] {
            assert_eq!(at(fraction), None, "{fraction:?}: never `0 s`");
        }
    }

    #[test]
    fn events_are_described() {
        assert_eq!(
            describe_event("state", &json!({ "status": "failed", "code": "no_examples", "text": "nothing to learn" })),
            "failed: no_examples: nothing to learn"
        );
        assert_eq!(describe_event("state", &json!({ "status": "queued", "attempt": "lost" })), "queued, attempt lost");
        assert_eq!(describe_event("log", &json!({ "text": "published m version 1" })), "published m version 1");
        assert_eq!(describe_event("metric", &json!({ "field": "law", "epoch": 1, "epochs": 2 })), "law  epoch 1/2");
        assert_eq!(
            describe_event("metric", &json!({ "stage": "fit", "step": 17, "epoch": 1, "epochs": 1, "loss": 0.2, "fraction": 0.239 })),
            "fit  epoch 1/1  step 17  loss 0.2000  23 %"
        );
        assert_eq!(
            describe_event("metric", &json!({ "stage": "predict", "documents": 64, "documents_total": 256, "fraction": 0.25 })),
            "predict  64 of 256 documents  25 %"
        );
        assert_eq!(describe_event("checkpoint", &json!({ "step": 11 })), "step 11");
    }
}
