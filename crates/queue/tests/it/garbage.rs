//! Entries in the queue that nobody of ours wrote.

use queue::Announcer;
use redis::aio::MultiplexedConnection;
use test_support::TestRedis;

use crate::fixture::{Listener, config, connection, drained, ids};

/// Puts an entry into the queue as apalis does, its payload apart.
async fn push(conn: &mut MultiplexedConnection, id: &str, payload: &[u8]) {
    redis::pipe()
        .cmd("HSET")
        .arg("test:runs:data")
        .arg(id)
        .arg(payload)
        .ignore()
        .cmd("HSET")
        .arg(format!("test:runs:meta:{id}"))
        .arg(&["attempts", "0", "max_attempts", "25", "status", "Pending"])
        .ignore()
        .cmd("RPUSH")
        .arg("test:runs:active")
        .arg(id)
        .ignore()
        .exec_async(conn)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_entry_that_is_no_message_is_reported_and_forgotten() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();

    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ0", b"garbage").await;
    assert!(listener.garbage().await.contains("expected value"));
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ1", b"\xff\xfe\x00").await;
    listener.garbage().await;
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ2", br#"{"v":2,"run_id":"00000000-0000-0000-0000-000000000007"}"#).await;
    assert!(listener.garbage().await.contains("version 2"));
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ3", br#"{"v":1}"#).await;
    assert!(listener.garbage().await.contains("run_id"));

    let run = ids(1);
    announcer.announce(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
    drained(&mut announcer).await;
}

#[tokio::test]
async fn garbage_between_messages_hides_none() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    announcer.announce(&runs[..1]).await.unwrap();
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ0", b"garbage").await;
    announcer.announce(&runs[1..]).await.unwrap();
    // all three are fetched in one batch
    let mut listener = Listener::start(&redis);
    let mut heard = vec![listener.message().await, listener.message().await];
    heard.sort();
    assert_eq!(heard, runs);
}

#[tokio::test]
async fn an_entry_without_data_stops_the_listener_for_a_moment_only() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    announcer.announce(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);

    redis::cmd("RPUSH").arg("test:runs:active").arg("01JZZZZZZZZZZZZZZZZZZZZZZ0").exec_async(&mut conn).await.unwrap();
    // apalis takes it out of the queue and gives up on it
    drained(&mut announcer).await;
    announcer.announce(&runs[1..]).await.unwrap();
    assert_eq!(listener.message().await, runs[1]);
}
