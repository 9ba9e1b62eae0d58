//! Changes of the thresholds of a version.

use aprendiz_runs::{ThresholdChange, change_thresholds, find_version, list_threshold_events};

use crate::fixture::Fixture;

fn change(field: &str, target: f64, threshold: Option<f64>) -> ThresholdChange {
    ThresholdChange { field: field.to_owned(), from: (0.95, None), to: (target, threshold) }
}

#[tokio::test]
async fn a_change_is_recorded_once_and_only_at_the_revision_that_was_seen() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    let conn = &mut *fixture.conn().await;
    let version = find_version(conn, "contracts", None).await.unwrap().unwrap().id;
    assert!(list_threshold_events(conn, version).await.unwrap().is_empty());

    let both = [change("law", 0.9, Some(0.7)), change("kind", 0.9, None)];
    assert_eq!(change_thresholds(conn, version, 0, "ana", &both).await.unwrap(), Ok(1));
    // another client that has seen revision 0
    assert_eq!(change_thresholds(conn, version, 0, "bob", &[change("law", 0.8, Some(0.5))]).await.unwrap(), Err(1));
    assert_eq!(change_thresholds(conn, version, 1, "bob", &[change("law", 0.8, Some(0.5))]).await.unwrap(), Ok(2));
    let events = list_threshold_events(conn, version).await.unwrap();
    let seen: Vec<(i32, &str, f64, Option<f64>, &str)> =
        events.iter().map(|event| (event.revision, event.field.as_str(), event.target, event.threshold, event.actor.as_str())).collect();
    assert_eq!(seen, [(1, "kind", 0.9, None, "ana"), (1, "law", 0.9, Some(0.7), "ana"), (2, "law", 0.8, Some(0.5), "bob")]);
    assert_eq!((events[0].from_target, events[0].from_threshold), (0.95, None));
}

#[tokio::test]
async fn changes_are_never_edited() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    let conn = &mut *fixture.conn().await;
    let version = find_version(conn, "contracts", None).await.unwrap().unwrap().id;
    change_thresholds(conn, version, 0, "ana", &[change("law", 0.9, Some(0.7))]).await.unwrap().unwrap();
    for sql in ["UPDATE threshold_events SET target = 0.5", "DELETE FROM threshold_events"] {
        let error = fixture.execute(sql).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
}
