//! Events in words, and what a progress bar takes from them.

use serde_json::Value;

/// Newest state of a run, gathered from its events.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Progress {
    pub(crate) status: String,
    pub(crate) phase: String,
    /// The field that is trained, or the stage.
    pub(crate) field: String,
    pub(crate) epoch: Option<(u64, u64)>,
    pub(crate) loss: Option<f64>,
    /// Share of the phase that is done, 0 to 1.
    pub(crate) fraction: Option<f64>,
}

impl Progress {
    /// Takes in an event.
    pub(crate) fn take(&mut self, kind: &str, payload: &Value) {
        match kind {
            "state" | "end" => {
                self.status = text(payload, "status");
                if self.status != "running" {
                    self.phase.clear();
                }
                self.forget();
            }
            "phase" => {
                self.phase = text(payload, "phase");
                self.forget();
            }
            "metric" => {
                let number = |key: &str| payload[key].as_u64();
                // before there is a field there is a stage, such as the counting of n-grams
                self.field = ["field", "stage"].iter().find_map(|key| payload[key].as_str()).unwrap_or_default().to_owned();
                self.epoch = number("epoch").zip(number("epochs"));
                self.loss = payload["loss"].as_f64();
                self.fraction = payload["fraction"].as_f64().or(self.fraction);
            }
            _ => {}
        }
    }

    fn forget(&mut self) {
        *self = Self { status: std::mem::take(&mut self.status), phase: std::mem::take(&mut self.phase), ..Self::default() };
    }

    /// What stands behind the bar.
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

/// An event in words.
pub(crate) fn in_words(kind: &str, payload: &Value) -> String {
    match kind {
        "state" | "end" => {
            let mut words = text(payload, "status");
            for (key, before) in [("by", " by "), ("attempt", ", the attempt was "), ("code", ": ")] {
                if let Some(value) = payload[key].as_str() {
                    words.push_str(before);
                    words.push_str(value);
                }
            }
            if let Some(value) = payload["text"].as_str() {
                words.push_str(": ");
                words.push_str(value);
            }
            if let Some(seconds) = payload["seconds"].as_f64() {
                words.push_str(&format!(", again in {seconds:.0} s"));
            }
            words
        }
        "phase" => text(payload, "phase"),
        "metric" => {
            let mut progress = Progress::default();
            progress.take(kind, payload);
            let line = progress.line();
            let line = line.trim_start();
            if line.is_empty() { payload.to_string() } else { line.to_owned() }
        }
        _ => ["text", "message"].iter().find_map(|key| payload[key].as_str()).map_or_else(|| payload.to_string(), str::to_owned),
    }
}

fn text(payload: &Value, key: &str) -> String {
    payload[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_gathered_and_forgotten_with_its_phase() {
        let mut progress = Progress::default();
        progress.take("state", &json!({ "status": "running" }));
        progress.take("phase", &json!({ "phase": "train" }));
        progress.take("metric", &json!({ "field": "law", "epoch": 3, "epochs": 20, "loss": 0.25, "fraction": 0.5 }));
        assert_eq!(progress.line(), "train  law  epoch 3/20  loss 0.2500");
        assert_eq!(progress.fraction, Some(0.5));
        progress.take("phase", &json!({ "phase": "upload" }));
        assert_eq!((progress.line().as_str(), progress.fraction), ("upload", None));
        progress.take("end", &json!({ "status": "succeeded" }));
        assert_eq!(progress.line(), "succeeded");
    }

    #[test]
    fn events_are_told_in_words() {
        assert_eq!(
            in_words("state", &json!({ "status": "failed", "code": "no_examples", "text": "nothing to learn" })),
            "failed: no_examples: nothing to learn"
        );
        assert_eq!(in_words("state", &json!({ "status": "queued", "attempt": "lost" })), "queued, the attempt was lost");
        assert_eq!(in_words("log", &json!({ "text": "published m version 1" })), "published m version 1");
        assert_eq!(in_words("metric", &json!({ "field": "law", "epoch": 1, "epochs": 2 })), "law  epoch 1/2");
    }
}
