//! A server that dies in the middle of a revert: the next one finishes it, and no document is half reverted.

use aprendiz_test_support::wait_until;
use serde_json::json;

use crate::fixture::exports::reviewed;
use crate::fixture::{Gate, HeldStatement, TIMEOUT, TestApp, expect_json};

/// Three batches: two of 500 documents and a smaller one.
const DOCUMENTS: u64 = 1_100;
/// Documents whose withdrawal, split and review do not agree.
const HALF_REVERTED: &str = "SELECT count(*) FROM documents d
    WHERE (d.withdrawn_at IS NOT NULL) <> EXISTS (SELECT FROM document_withdrawals w WHERE w.document_id = d.id AND w.effect = 'withdrawn')
       OR (d.withdrawn_at IS NOT NULL) <> EXISTS (SELECT FROM document_splits s WHERE s.document_id = d.id AND s.reason = 'withdrawn')
       OR (d.withdrawn_at IS NOT NULL) <> EXISTS (
           SELECT FROM annotation_events e WHERE e.document_id = d.id AND cardinality(e.withdrawals) = 1
       )
       OR (d.withdrawn_at IS NOT NULL) <> EXISTS (SELECT FROM annotations a WHERE a.document_id = d.id AND a.event_position IS NULL)
       OR (d.withdrawn_at IS NULL) <> EXISTS (SELECT FROM import_revert_documents l WHERE l.document_id = d.id)";

#[tokio::test]
async fn a_revert_of_a_killed_server_is_finished_by_the_next_one() {
    let mut app = TestApp::with_import(reviewed(DOCUMENTS, |_| "red")).await;
    let import: String = sqlx::query_scalar("SELECT id::text FROM imports").fetch_one(app.pool()).await.unwrap();
    let path = format!("/v1/imports/{import}/revert");
    let mut gate = Gate::close(&app, HeldStatement::SecondRevertBatch).await;
    // the client of the revert waits for the server, so it runs beside the test
    let pending = tokio::spawn(app.api().post(&path).json(&json!({ "reason": "wrong file" })).send());
    gate.wait_until_reached().await;
    app.server.process.kill();
    app.server.process.wait(TIMEOUT).await;
    assert!(pending.await.unwrap().is_err());
    assert_eq!(app.count("SELECT count(*) FROM documents WHERE withdrawn_at IS NOT NULL").await, 500, "the first batch is committed");
    assert_eq!(app.count("SELECT count(*) FROM import_revert_documents").await, 600);
    assert_eq!(app.count(HALF_REVERTED).await, 0);
    gate.open().await;

    app.server = app.env.serve(&[]).await;
    let finished = "SELECT count(*) FROM import_reverts WHERE finished_at IS NOT NULL";
    wait_until("the end of the revert", TIMEOUT, async || (app.count(finished).await == 1).then_some(())).await;
    assert_eq!(app.count(HALF_REVERTED).await, 0);
    let shown = app.cli(&["imports", "show", &import]);
    assert!(shown["reverted_at"].is_string() && shown["revert_finished_at"].is_string(), "{shown}");
    // a repetition returns the whole effect, and does nothing twice
    for _ in 0..2 {
        let reverted = expect_json(app.api().post(&path).json(&json!({})), 200).await;
        for key in ["documents_withdrawn", "events_withdrawn"] {
            assert_eq!(reverted[key], DOCUMENTS, "{reverted}");
        }
        assert_eq!((&reverted["documents_left"], &reverted["reason"]), (&json!(0), &json!("wrong file")), "{reverted}");
    }
    assert_eq!(app.count("SELECT count(*) FROM document_withdrawals").await, i64::try_from(DOCUMENTS).unwrap());
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'import.revert'").await, 1);
    app.finish().await;
}
