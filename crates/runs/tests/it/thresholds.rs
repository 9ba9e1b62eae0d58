//! Changes of the thresholds of a version.

use aprendiz_runs::{
    ChangedThreshold, Promotion, ThresholdChange, change_thresholds, find_alias, find_version, list_alias_events, list_latest_thresholds,
    list_threshold_events, promote,
};
use chrono::{DateTime, Utc};

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

#[tokio::test]
async fn the_latest_change_of_each_field_is_in_effect() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    let conn = &mut *fixture.conn().await;
    let version = find_version(conn, "contracts", None).await.unwrap().unwrap().id;
    assert!(list_latest_thresholds(conn, version).await.unwrap().is_empty());
    change_thresholds(conn, version, 0, "ana", &[change("law", 0.9, Some(0.7)), change("kind", 0.9, None)]).await.unwrap().unwrap();
    change_thresholds(conn, version, 1, "ana", &[change("law", 0.8, None)]).await.unwrap().unwrap();
    let latest = list_latest_thresholds(conn, version).await.unwrap();
    let latest: Vec<(&str, f64, Option<f64>)> =
        latest.iter().map(|changed| (changed.field.as_str(), changed.target, changed.threshold)).collect();
    assert_eq!(latest, [("kind", 0.9, None), ("law", 0.8, None)]);
}

/// Entries of the history of an alias: action, version before and after, revision of the thresholds.
async fn history(conn: &mut sqlx::PgConnection, alias: &str, at: Option<DateTime<Utc>>) -> Vec<(String, Option<i32>, Option<i32>, i32)> {
    let entries = list_alias_events(conn, "contracts", alias, at, None, 100).await.unwrap();
    entries.into_iter().map(|entry| (entry.action, entry.from_number, entry.to_number, entry.threshold_revision)).collect()
}

#[tokio::test]
async fn changes_of_thresholds_are_in_the_history_of_an_alias_while_it_named_the_version() {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        let attempt = fixture.running().await;
        fixture.publish(attempt).await;
    }
    let conn = &mut *fixture.conn().await;
    let mut versions = Vec::new();
    for number in [1, 2] {
        versions.push(find_version(conn, "contracts", Some(number)).await.unwrap().unwrap().id);
    }
    let promote_to = async |conn: &mut sqlx::PgConnection, number: i32| {
        let revision = find_alias(conn, "contracts", "champion").await.unwrap().map_or(0, |alias| alias.revision);
        let promotion = Promotion {
            model: "contracts",
            alias: "champion",
            number,
            revision,
            actor: "ana",
            reason: None,
            gate: None,
            overridden: false,
        };
        promote(conn, &promotion).await.unwrap()
    };
    let both = [change("law", 0.9, Some(0.7)), change("kind", 0.9, None)];
    change_thresholds(conn, versions[0], 0, "ana", &both).await.unwrap().unwrap();
    // version 2 has no alias yet
    change_thresholds(conn, versions[1], 0, "bob", &[change("law", 0.8, None)]).await.unwrap().unwrap();
    promote_to(conn, 2).await;
    change_thresholds(conn, versions[1], 1, "bob", &[change("law", 0.7, Some(0.4))]).await.unwrap().unwrap();
    // version 1 is not champion any more
    change_thresholds(conn, versions[0], 1, "ana", &[change("law", 0.7, Some(0.4))]).await.unwrap().unwrap();
    let (number_1, number_2) = (Some(1), Some(2));
    let expected = [
        ("thresholds".to_owned(), number_2, number_2, 2),
        ("promoted".to_owned(), number_1, number_2, 0),
        ("thresholds".to_owned(), number_1, number_1, 1),
        ("first_version".to_owned(), None, number_1, 0),
    ];
    assert_eq!(history(conn, "champion", None).await, expected);
    assert!(history(conn, "challenger", None).await.is_empty());

    // at the time of any entry, the first one names the version of the alias
    let entries = list_alias_events(conn, "contracts", "champion", None, None, 100).await.unwrap();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(history(conn, "champion", Some(entry.at)).await, expected[index..]);
        let before = Some((entry.id, entry.threshold_revision));
        let older = list_alias_events(conn, "contracts", "champion", None, before, 1).await.unwrap();
        assert_eq!(older.first().map(|older| older.at), entries.get(index + 1).map(|next| next.at), "pages follow each other");
    }
    let changed: Vec<ChangedThreshold> = serde_json::from_value(entries[2].thresholds.clone().unwrap()).unwrap();
    assert_eq!(
        changed.iter().map(|changed| (changed.field.as_str(), changed.threshold)).collect::<Vec<_>>(),
        [("kind", None), ("law", Some(0.7))]
    );
    assert_eq!((entries[2].actor.as_str(), entries[0].actor.as_str(), entries[1].thresholds.is_none()), ("ana", "bob", true));
}
