//! Tags and notes: bounded, audited, and a filter of runs.

use aprendiz_db::Scope;
use std::collections::BTreeMap;

use aprendiz_runs::{
    AuditFilter, RunFilter, RunsError, TagChange, find_version, list_audit, list_runs, note_run, note_version, tag_run, tag_version,
};
use serde_json::json;

use crate::fixture::Fixture;

fn change(set: &[(&str, &str)], remove: &[&str]) -> TagChange {
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    TagChange { set, remove: remove.iter().map(|key| (*key).to_owned()).collect() }
}

#[tokio::test]
async fn tags_are_changed_audited_and_found() {
    let fixture = Fixture::new().await;
    let (tagged, other) = (fixture.create_run().await, fixture.create_run().await);
    let mut conn = fixture.conn().await;
    tag_run(&mut conn, tagged, &change(&[("stage", "draft"), ("owner", "ana")], &[]), "ana").await.unwrap();
    let tags = tag_run(&mut conn, tagged, &change(&[("stage", "candidate")], &["owner", "unknown"]), "bob").await.unwrap();
    assert_eq!(tags, BTreeMap::from([("stage".to_owned(), "candidate".to_owned())]));
    // repeated: no change, no entry
    tag_run(&mut conn, tagged, &change(&[("stage", "candidate")], &[]), "bob").await.unwrap();
    tag_run(&mut conn, other, &change(&[("stage", "draft")], &[]), "ana").await.unwrap();

    let audit = AuditFilter { subject: Some(tagged.to_string()), action: Some("training_run.tag".to_owned()), ..AuditFilter::default() };
    let entries = list_audit(&mut conn, &audit, 10).await.unwrap();
    let changes: Vec<_> = entries.iter().map(|entry| (entry.actor.as_str(), entry.details["tags"].clone())).collect();
    assert_eq!(
        changes,
        [
            ("bob", json!({ "owner": { "from": "ana", "to": null }, "stage": { "from": "draft", "to": "candidate" } })),
            ("ana", json!({ "owner": { "from": null, "to": "ana" }, "stage": { "from": null, "to": "draft" } })),
        ]
    );
    let filter = RunFilter { tags, ..RunFilter::default() };
    let found: Vec<_> = list_runs(&mut conn, &Scope::All, &filter, 10).await.unwrap().into_iter().map(|run| (run.id, run.tags)).collect();
    assert_eq!(found, [(tagged, json!({ "stage": "candidate" }))]);
}

#[tokio::test]
async fn the_number_of_tags_and_the_length_of_a_note_are_bounded() {
    let fixture = Fixture::new().await;
    let run = fixture.create_run().await;
    let mut conn = fixture.conn().await;
    let many = TagChange { set: (0..50).map(|number| (format!("key{number}"), String::new())).collect(), remove: Vec::new() };
    tag_run(&mut conn, run, &many, "ana").await.unwrap();
    let error = tag_run(&mut conn, run, &change(&[("one more", "")], &[]), "ana").await.unwrap_err();
    assert!(matches!(&error, RunsError::InvalidLabel(text) if text.contains("at most 50")), "{error}");
    tag_run(&mut conn, run, &change(&[("one more", "")], &["key0"]), "ana").await.unwrap();
    let both = tag_run(&mut conn, run, &change(&[("a", "")], &["a"]), "ana").await.unwrap_err();
    assert!(both.to_string().contains("both set and removed"), "{both}");

    assert_eq!(note_run(&mut conn, run, " first \n", "ana").await.unwrap().as_deref(), Some("first"));
    assert!(note_run(&mut conn, run, &"é".repeat(10_001), "ana").await.is_err());
    assert_eq!(fixture.run(run).await.note.as_deref(), Some("first"));
    assert_eq!(note_run(&mut conn, run, " ", "ana").await.unwrap(), None);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'training_run.note'").await, 2);
}

#[tokio::test]
async fn a_version_has_tags_and_a_note_of_its_own() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    let mut conn = fixture.conn().await;
    let version = find_version(&mut conn, "contracts", Some(1)).await.unwrap().unwrap();
    tag_version(&mut conn, &version, &change(&[("stage", "candidate")], &[]), "ana").await.unwrap();
    note_version(&mut conn, &version, "approved", "ana").await.unwrap();
    let version = find_version(&mut conn, "contracts", Some(1)).await.unwrap().unwrap();
    assert_eq!((version.tags, version.note.as_deref()), (json!({ "stage": "candidate" }), Some("approved")));
    assert_eq!(fixture.run(attempt.run_id).await.tags, json!({}));
    let sql = "SELECT count(*) FROM audit_log WHERE subject = 'contracts/1' AND action IN ('model_version.tag', 'model_version.note')";
    assert_eq!(fixture.number(sql).await, 2);
}
