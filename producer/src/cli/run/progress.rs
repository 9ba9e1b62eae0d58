//! Run events as text, and the progress derived from them.

use serde_json::Value;

/// Latest progress of a run, accumulated from its events.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct RunProgress {
    pub(crate) status: String,
    pub(crate) phase: String,
    /// The field being trained, or the stage.
    pub(crate) field: String,
    pub(crate) epoch: Option<(u64, u64)>,
    pub(crate) loss: Option<f64>,
    /// Completed fraction of the phase, from 0 to 1.
    pub(crate) fraction: Option<f64>,
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
            }
            "phase" => {
                self.phase = string(payload, "phase");
                self.reset_phase();
            }
            "metric" => {
                let number = |key: &str| payload[key].as_u64();
                // stages such as n-gram counting precede the first field
                self.field = ["field", "stage"].iter().find_map(|key| payload[key].as_str()).unwrap_or_default().to_owned();
                self.epoch = number("epoch").zip(number("epochs"));
                self.loss = payload["loss"].as_f64();
                self.fraction = payload["fraction"].as_f64().or(self.fraction);
            }
            _ => {}
        }
    }

    /// Clears everything but status and phase.
    fn reset_phase(&mut self) {
        *self = Self { status: std::mem::take(&mut self.status), phase: std::mem::take(&mut self.phase), ..Self::default() };
    }

    /// Message of the progress bar.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![if self.phase.is_empty() { self.status.clone() } else { self.phase.clone() }];
        if !self.field.is_empty() {
            parts.push(self.field.clone());
        }
        parts.extend(self.epoch.map(|(epoch, epochs)| format!("epoch {epoch}/{epochs}")));
        parts.extend(self.loss.map(|loss| format!("loss {loss:.4}")));
        parts.join("  ")
    }
}

/// An event as text.
pub(crate) fn describe_event(kind: &str, payload: &Value) -> String {
    match kind {
        "state" | "end" => {
            let mut text = string(payload, "status");
            for (key, before) in [("by", " by "), ("attempt", ", attempt "), ("code", ": ")] {
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
            let line = line.trim_start();
            if line.is_empty() { payload.to_string() } else { line.to_owned() }
        }
        _ => ["text", "message"].iter().find_map(|key| payload[key].as_str()).map_or_else(|| payload.to_string(), str::to_owned),
    }
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
        progress.apply("metric", &json!({ "field": "law", "epoch": 3, "epochs": 20, "loss": 0.25, "fraction": 0.5 }));
        assert_eq!(progress.line(), "train  law  epoch 3/20  loss 0.2500");
        assert_eq!(progress.fraction, Some(0.5));
        progress.apply("phase", &json!({ "phase": "upload" }));
        assert_eq!((progress.line().as_str(), progress.fraction), ("upload", None));
        progress.apply("end", &json!({ "status": "succeeded" }));
        assert_eq!(progress.line(), "succeeded");
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
    }
}
