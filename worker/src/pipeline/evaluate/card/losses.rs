//! The training losses that a run reported, from its events.

use std::collections::BTreeMap;

use aprendiz_db::Database;
use aprendiz_runs::{EventKind, RunEvent, RunId, RunsError, events_after};
use serde::Deserialize;

use crate::pipeline::evaluate::plots::loss::LossPoint;
use crate::retry::retry_on_outage;

/// Events of one query.
const PAGE: i64 = 1000;
/// Events that are read at most; a training of a day reports fewer.
const MAX_EVENTS: i64 = 50_000;
/// Points that are drawn at most.
const MAX_POINTS: usize = 1500;

/// The payload of an event of a training process.
#[derive(Deserialize)]
struct Payload {
    step: u64,
    loss: Option<f64>,
    field: Option<String>,
    fold: Option<u64>,
    stage: String,
}

/// The reported losses by step. A step that was computed again after an interruption counts once.
pub(crate) async fn reported_losses(database: &Database, run: RunId) -> Result<Vec<LossPoint>, RunsError> {
    let (mut points, mut after) = (BTreeMap::new(), 0);
    loop {
        let events = retry_on_outage!(async { events_after(&mut *database.read().await?, run, after, PAGE).await })?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        points.extend(events.iter().filter_map(loss_point).map(|point| (point.step, point)));
        if after >= MAX_EVENTS {
            break;
        }
    }
    Ok(thin(points.into_values().collect()))
}

fn loss_point(event: &RunEvent) -> Option<LossPoint> {
    if event.kind != EventKind::Metric {
        return None;
    }
    let payload = Payload::deserialize(&event.payload).ok()?;
    let fit = format!("{} {}", payload.stage, payload.fold.unwrap_or(0));
    Some(LossPoint { step: payload.step, loss: payload.loss?, field: payload.field, fit })
}

/// At most [`MAX_POINTS`] of the points, evenly spaced, with the last one.
fn thin(points: Vec<LossPoint>) -> Vec<LossPoint> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let count = points.len();
    (1..=MAX_POINTS).map(|point| points[point * count / MAX_POINTS - 1].clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: EventKind, payload: serde_json::Value) -> RunEvent {
        RunEvent { sequence: 1, attempt_number: Some(1), kind, payload, occurred_at: chrono::Utc::now() }
    }

    #[test]
    fn only_progress_with_a_loss_is_a_point() {
        let progress = json!({ "event": "progress", "stage": "fold", "fold": 2, "step": 7, "field": "law", "loss": 0.5, "fraction": 0.1 });
        let point = loss_point(&event(EventKind::Metric, progress.clone())).unwrap();
        assert_eq!(point, LossPoint { step: 7, loss: 0.5, field: Some("law".to_owned()), fit: "fold 2".to_owned() });
        assert_eq!(loss_point(&event(EventKind::Log, progress)), None);
        assert_eq!(loss_point(&event(EventKind::Metric, json!({ "event": "progress", "stage": "features", "step": 0 }))), None);
        assert_eq!(loss_point(&event(EventKind::Metric, json!({ "event": "other" }))), None);
    }

    #[test]
    fn many_points_are_thinned_and_the_last_one_is_kept() {
        let point = |step| LossPoint { step, loss: 1.0, field: None, fit: String::new() };
        let thinned = thin((1..=4000).map(point).collect());
        assert_eq!((thinned.len(), thinned.last().unwrap().step), (MAX_POINTS, 4000));
    }
}
