//! Malformed entries in the queue.

use aprendiz_queue::Publisher;
use aprendiz_test_support::TestRedis;
use redis::aio::MultiplexedConnection;

use crate::fixture::{Listener, config, connection, drained, ids};

/// Pushes an entry as apalis does, with any payload.
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
async fn a_malformed_entry_is_reported_and_dropped() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();

    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ0", b"garbage").await;
    assert!(listener.malformed().await.contains("expected value"));
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ1", b"\xff\xfe\x00").await;
    listener.malformed().await;
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ2", br#"{"v":2,"run_id":"00000000-0000-0000-0000-000000000007"}"#).await;
    assert!(listener.malformed().await.contains("version 2"));
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ3", br#"{"v":1}"#).await;
    assert!(listener.malformed().await.contains("run_id"));

    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
    drained(&mut publisher).await;
}

#[tokio::test]
async fn a_malformed_entry_between_messages_hides_none() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    publisher.publish(&runs[..1]).await.unwrap();
    push(&mut conn, "01JZZZZZZZZZZZZZZZZZZZZZZ0", b"garbage").await;
    publisher.publish(&runs[1..]).await.unwrap();
    // all three are fetched in one batch
    let mut listener = Listener::start(&redis);
    let mut received = vec![listener.message().await, listener.message().await];
    received.sort();
    assert_eq!(received, runs);
}

#[tokio::test]
async fn an_entry_without_data_interrupts_the_listener_only_briefly() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    publisher.publish(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);

    redis::cmd("RPUSH").arg("test:runs:active").arg("01JZZZZZZZZZZZZZZZZZZZZZZ0").exec_async(&mut conn).await.unwrap();
    // apalis removes it from the queue and fails
    drained(&mut publisher).await;
    publisher.publish(&runs[1..]).await.unwrap();
    assert_eq!(listener.message().await, runs[1]);
}
