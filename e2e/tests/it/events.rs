//! The event stream of a run, as a browser reads it.

use serde_json::{Value, json};
use test_support::Api;
use uuid::Uuid;

use crate::export::contracts;
use crate::site::{Site, answered, text};

/// An event as it came.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: i64,
    name: String,
    data: Value,
}

/// Reads the stream after an event, at most so many of them: to its end when there are fewer.
async fn read(api: &Api, run: Uuid, after: Option<i64>, most: usize) -> Vec<Event> {
    let mut request = api.get(&format!("/v1/training-runs/{run}/events"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let mut answer = request.send().await.expect("the API answers");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    while events.len() < most
        && let Some(chunk) = answer.chunk().await.expect("the stream is whole")
    {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = bytes.drain(..end + 2).collect();
            events.extend(event(std::str::from_utf8(&block).expect("events are UTF-8")));
        }
    }
    events.truncate(most);
    events
}

/// `None` for a comment.
fn event(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    Some(Event { id: field("id")?.parse().ok()?, name: field("event")?.to_owned(), data: serde_json::from_str(field("data")?).ok()? })
}

#[tokio::test]
async fn events_come_in_order_go_on_after_a_break_and_end_with_the_run() {
    let site = Site::with(contracts()).await;
    let run = site.create_run(&json!({ "model": "contracts" })).await;
    let (api, other) = (site.api(), site.api());
    // one listens from before the start, one breaks off after three events and comes back
    let broken = async {
        let mut events = read(&other, run, None, 3).await;
        let last = events.last().map(|event| event.id);
        events.extend(read(&other, run, last, usize::MAX).await);
        events
    };
    let worker = site.env.worker("worker", &[]);
    let (events, resumed) = tokio::join!(read(&api, run, None, usize::MAX), broken);

    assert_eq!(resumed, events);
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<i64>>());
    let words: Vec<String> = events
        .iter()
        .filter_map(|event| match event.name.as_str() {
            "state" | "end" => Some(format!("{} {}", event.name, text(&event.data["payload"]["status"]))),
            "phase" => Some(text(&event.data["payload"]["phase"])),
            _ => None,
        })
        .collect();
    assert_eq!(
        words,
        ["state queued", "state running", "dataset", "train", "evaluate", "upload", "publish", "state succeeded", "end succeeded"]
    );
    assert!(events.iter().any(|event| event.name == "metric" && event.data["payload"]["fraction"].is_number()), "{events:?}");
    let fractions: Vec<f64> =
        events.iter().filter(|event| event.name == "metric").filter_map(|event| event.data["payload"]["fraction"].as_f64()).collect();
    assert!(fractions.is_sorted() && fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)), "{fractions:?}");

    // after the end there is nothing, and that is said at once
    assert!(read(&api, run, ids.last().copied(), usize::MAX).await.is_empty());
    // the same as a page
    let page = site.api().json(&format!("/v1/training-runs/{run}/events?format=json&after={}", ids[4])).await;
    let sequences: Vec<i64> = page["items"].as_array().unwrap().iter().filter_map(|event| event["sequence"].as_i64()).collect();
    assert_eq!(sequences, ids[5..]);
    answered(site.api().get(&format!("/v1/training-runs/{run}/events")).header("last-event-id", "soon"), 422).await;
    answered(site.api().get(&format!("/v1/training-runs/{}/events", Uuid::nil())), 404).await;
    drop(worker);
    site.finish().await;
}
