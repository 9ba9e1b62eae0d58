//! The training losses of a run: those that the training process of this attempt reports, and before a resumed checkpoint those of the events.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aprendiz_db::Database;
use aprendiz_runs::{EventKind, RunEvent, RunId, RunsError, events_after};
use aprendiz_training::Event;
use serde::Deserialize;
use serde_json::Value;

use crate::pipeline::evaluate::plots::loss::LossPoint;
use crate::retry::retry_on_outage;

/// Events of one query.
const PAGE: i64 = 1000;
/// Events that are read at most; a training of a day reports fewer.
const MAX_EVENTS: i64 = 50_000;
/// Points that are kept at most.
const MAX_POINTS: usize = 2000;

/// Collects the losses of a training process. It keeps every step, or every second, fourth, … one of a long training, so that equal
/// trainings give equal points.
#[derive(Debug, Default)]
pub(crate) struct LossCollector(Mutex<Collected>);

#[derive(Debug, Default)]
struct Collected {
    points: Vec<LossPoint>,
    /// Only every `2^halvings`-th report is kept.
    halvings: u32,
    reports: u64,
}

impl LossCollector {
    /// Adds the loss of an event, if it has one.
    pub(crate) fn observe(&self, event: &Event) {
        if !matches!(event, Event::Progress { loss: Some(_), .. }) {
            return;
        }
        let Some(point) = serde_json::to_value(event).ok().and_then(|payload| loss_point(&payload)) else { return };
        let mut collected = self.0.lock().expect("no thread panics while it collects");
        if collected.reports.is_multiple_of(1 << collected.halvings) {
            collected.points.push(point);
        }
        collected.reports += 1;
        if collected.points.len() > MAX_POINTS {
            let mut index = 0;
            collected.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            collected.halvings += 1;
        }
    }

    pub(crate) fn into_points(self) -> Vec<LossPoint> {
        self.0.into_inner().expect("no thread panics while it collects").points
    }
}

/// The losses of the whole run by step. An attempt that resumed from a checkpoint has observed those after it only.
pub(crate) async fn run_losses(
    database: &Database,
    run: RunId,
    resumed_from: Option<u64>,
    observed: &[LossPoint],
) -> Result<Vec<LossPoint>, RunsError> {
    let Some(resumed_from) = resumed_from else { return Ok(observed.to_vec()) };
    let (mut points, mut after) = (BTreeMap::new(), 0);
    loop {
        let events = retry_on_outage!(async { events_after(&mut *database.read().await?, run, after, PAGE).await })?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        let earlier = events.iter().filter_map(event_point).filter(|point| point.step <= resumed_from);
        points.extend(earlier.map(|point| (point.step, point)));
        if after >= MAX_EVENTS {
            break;
        }
    }
    points.extend(observed.iter().map(|point| (point.step, point.clone())));
    Ok(points.into_values().collect())
}

fn event_point(event: &RunEvent) -> Option<LossPoint> {
    (event.kind == EventKind::Metric).then(|| loss_point(&event.payload)).flatten()
}

/// The payload of an event of a training process.
#[derive(Deserialize)]
struct Payload {
    step: u64,
    loss: Option<f64>,
    field: Option<String>,
    fold: Option<u64>,
    stage: String,
}

fn loss_point(payload: &Value) -> Option<LossPoint> {
    let payload = Payload::deserialize(payload).ok()?;
    let fit = format!("{} {}", payload.stage, payload.fold.unwrap_or(0));
    Some(LossPoint { step: payload.step, loss: payload.loss?, field: payload.field, fit })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn progress(step: u64) -> Value {
        json!({ "event": "progress", "stage": "fold", "fold": 2, "step": step, "field": "law", "loss": 0.5, "fraction": 0.1 })
    }

    #[test]
    fn only_progress_with_a_loss_is_a_point() {
        let point = loss_point(&progress(7)).unwrap();
        assert_eq!(point, LossPoint { step: 7, loss: 0.5, field: Some("law".to_owned()), fit: "fold 2".to_owned() });
        assert_eq!(loss_point(&json!({ "event": "progress", "stage": "features", "step": 0 })), None);
        assert_eq!(loss_point(&json!({ "event": "other" })), None);
    }

    #[test]
    fn long_trainings_keep_evenly_spaced_steps() {
        let collector = LossCollector::default();
        for step in 0..10_000 {
            collector.observe(&serde_json::from_value(progress(step)).unwrap());
        }
        let points = collector.into_points();
        assert!(points.len() > MAX_POINTS / 2 && points.len() <= MAX_POINTS, "{}", points.len());
        assert!(points.windows(2).all(|pair| pair[1].step - pair[0].step == 8), "{:?}", &points[..3]);
    }
}
