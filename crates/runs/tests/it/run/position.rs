//! Resolution of positions under concurrent writes.

use aprendiz_runs::resolve_position;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::fixture::{Fixture, SHA256};

/// Writes a version of a text in the caller's transaction, as an import does. Returns its position.
async fn write_text(conn: &mut PgConnection, document: Uuid, version: i32) -> i64 {
    sqlx::query_scalar(
        "INSERT INTO document_texts (document_id, version, text, sha256, position) VALUES ($1, $2, '', $3, next_position()) RETURNING position",
    )
    .bind(document)
    .bind(version)
    .bind(SHA256)
    .fetch_one(conn)
    .await
    .unwrap()
}

async fn now(pool: &PgPool) -> DateTime<Utc> {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn an_empty_database_has_position_zero() {
    let fixture = Fixture::new().await;
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), 0);
    assert_eq!(resolve_position(&mut *fixture.conn().await, Some(Utc::now())).await.unwrap(), 0);
}

#[tokio::test]
async fn a_position_is_below_every_uncommitted_write() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    let visible = write_text(&mut *fixture.conn().await, document, 1).await;

    let mut first = fixture.pool().begin().await.unwrap();
    let open = write_text(&mut first, document, 2).await;
    assert!(open > visible);
    let pool = fixture.pool().clone();
    let second = tokio::spawn(async move {
        let mut second = pool.begin().await.unwrap();
        let position = write_text(&mut second, document, 3).await;
        second.commit().await.unwrap();
        position
    });
    fixture.wait_for_blocked_statement().await;

    // the second writer cannot overtake the first: the resolved position excludes both for ever
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), visible);
    let as_of = now(fixture.pool()).await;
    assert_eq!(resolve_position(&mut *fixture.conn().await, Some(as_of)).await.unwrap(), visible);

    first.commit().await.unwrap();
    let last = second.await.unwrap();
    assert!(last > open);
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), last);
}

#[tokio::test]
async fn a_rolled_back_write_leaves_only_a_gap() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    let visible = write_text(&mut *fixture.conn().await, document, 1).await;
    let mut writer = fixture.pool().begin().await.unwrap();
    write_text(&mut writer, document, 2).await;
    writer.rollback().await.unwrap();
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), visible);
    let next = write_text(&mut *fixture.conn().await, document, 2).await;
    assert_eq!(next, visible + 2);
}

#[tokio::test]
async fn as_of_selects_what_was_recorded_by_then() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    let start = now(fixture.pool()).await;
    let mut written = Vec::new();
    for version in 1..=3 {
        let position = write_text(&mut *fixture.conn().await, document, version).await;
        written.push((position, now(fixture.pool()).await));
    }
    for (position, at) in written {
        assert_eq!(resolve_position(&mut *fixture.conn().await, Some(at)).await.unwrap(), position);
    }
    assert_eq!(resolve_position(&mut *fixture.conn().await, Some(start)).await.unwrap(), 0);
    assert_eq!(resolve_position(&mut *fixture.conn().await, Some(start + TimeDelta::days(1))).await.unwrap(), 3);
}

#[tokio::test]
async fn the_greatest_position_of_any_table_counts() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    write_text(&mut *fixture.conn().await, document, 1).await;
    fixture.execute("INSERT INTO fields (name, kind) VALUES ('kind', 'categorical')").await.unwrap();
    fixture
        .execute(&format!(
            "INSERT INTO document_splits (document_id, version, group_key, split, reason, position)
             VALUES ('{document}', 1, 'g', 'train', 'hash', next_position())"
        ))
        .await
        .unwrap();
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), 2);
    fixture
        .execute(&format!(
            "INSERT INTO annotation_events (position, document_id, field, value, review_status, source, source_ref, occurred_at)
             VALUES (next_position(), '{document}', 'kind', '{{NDA}}', 'OK', 'test', '1', '2020-01-01')"
        ))
        .await
        .unwrap();
    assert_eq!(resolve_position(&mut *fixture.conn().await, None).await.unwrap(), 3);
    let long_ago = Some("2021-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(resolve_position(&mut *fixture.conn().await, long_ago).await.unwrap(), 0, "the time of recording counts, not of the review");
}
