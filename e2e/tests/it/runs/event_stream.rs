//! The event stream of a run, as a browser reads it.

use aprendiz_test_support::Api;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, text};

/// A received event.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: i64,
    name: String,
    data: Value,
}

/// Reads the stream after an event: at most `max` events, or up to its end.
async fn read_events(api: &Api, run: Uuid, after: Option<i64>, max: usize) -> Vec<Event> {
    let mut request = api.get(&format!("/v1/training-runs/{run}/events"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let mut answer = request.send().await.expect("the API answers");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-cache, no-transform");
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while events.len() < max
        && let Some(chunk) = answer.chunk().await.expect("the stream is complete")
    {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = bytes.drain(..end + 2).collect();
            events.extend(parse_event(std::str::from_utf8(&block).expect("events are UTF-8")));
        }
    }
    events.truncate(max);
    events
}

/// Parses an event; `None` for a comment.
fn parse_event(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    Some(Event { id: field("id")?.parse().ok()?, name: field("event")?.to_owned(), data: serde_json::from_str(field("data")?).ok()? })
}

#[tokio::test]
async fn events_are_ordered_resume_after_a_disconnect_and_end_with_the_run() {
    let app = TestApp::with_import(contracts()).await;
    let run = app.create_run(&json!({ "model": "contracts" })).await;
    let (api, other) = (app.api(), app.api());
    // one client reads from the start; the other disconnects after three events and resumes
    let disconnecting = async {
        let mut events = read_events(&other, run, None, 3).await;
        let last = events.last().map(|event| event.id);
        events.extend(read_events(&other, run, last, usize::MAX).await);
        events
    };
    let worker = app.env.worker("worker", &[]);
    let (events, resumed) = tokio::join!(read_events(&api, run, None, usize::MAX), disconnecting);

    assert_eq!(resumed, events);
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<i64>>());
    let steps: Vec<String> = events
        .iter()
        .filter_map(|event| match event.name.as_str() {
            "state" | "end" => Some(format!("{} {}", event.name, text(&event.data["payload"]["status"]))),
            "phase" => Some(text(&event.data["payload"]["phase"])),
            _ => None,
        })
        .collect();
    assert_eq!(
        steps,
        ["state queued", "state running", "dataset", "train", "evaluate", "upload", "publish", "state succeeded", "end succeeded"]
    );
    assert!(events.iter().any(|event| event.name == "metric" && event.data["payload"]["fraction"].is_number()), "{events:?}");
    let fractions: Vec<f64> =
        events.iter().filter(|event| event.name == "metric").filter_map(|event| event.data["payload"]["fraction"].as_f64()).collect();
    assert!(fractions.is_sorted() && fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)), "{fractions:?}");

    // after the last event, the stream ends at once
    assert!(read_events(&api, run, ids.last().copied(), usize::MAX).await.is_empty());
    // the same events as a JSON page
    let page = app.api().json(&format!("/v1/training-runs/{run}/events?format=json&after={}", ids[4])).await;
    let sequences: Vec<i64> = page["items"].as_array().unwrap().iter().filter_map(|event| event["sequence"].as_i64()).collect();
    assert_eq!(sequences, ids[5..]);
    expect_json(app.api().get(&format!("/v1/training-runs/{run}/events")).header("last-event-id", "soon"), 422).await;
    expect_json(app.api().get(&format!("/v1/training-runs/{}/events", Uuid::nil())), 404).await;
    drop(worker);
    app.finish().await;
}
