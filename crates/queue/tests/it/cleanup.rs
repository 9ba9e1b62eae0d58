//! Pruning of finished entries.

use aprendiz_queue::Publisher;
use aprendiz_test_support::{TestRedis, wait_until};
use redis::aio::MultiplexedConnection;

use crate::fixture::{Listener, TIMEOUT, config, connection, ids};

async fn count(conn: &mut MultiplexedConnection, command: &str, key: &str) -> usize {
    redis::cmd(command).arg(key).query_async(conn).await.unwrap()
}

async fn meta(conn: &mut MultiplexedConnection) -> usize {
    let keys: Vec<String> = redis::cmd("KEYS").arg("test:runs:meta*").query_async(conn).await.unwrap();
    keys.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_entries_are_removed_whole_and_waiting_ones_stay() {
    const RUNS: usize = 120;
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let listener = Listener::start(&redis);
    publisher.publish(&ids(RUNS)).await.unwrap();
    wait_until("finished entries", TIMEOUT, async || (count(&mut conn, "SCARD", "test:runs:done").await == RUNS).then_some(())).await;
    listener.stop().await;

    let waiting = ids(2);
    publisher.publish(&waiting).await.unwrap();
    assert_eq!((count(&mut conn, "HLEN", "test:runs:data").await, meta(&mut conn).await), (RUNS + 2, RUNS + 2));
    assert_eq!(publisher.prune().await.unwrap(), RUNS);
    assert_eq!((count(&mut conn, "HLEN", "test:runs:data").await, meta(&mut conn).await), (2, 2));
    assert_eq!(count(&mut conn, "SCARD", "test:runs:done").await, 0);
    assert_eq!((publisher.prune().await.unwrap(), publisher.depth().await.unwrap()), (0, 2));

    let mut listener = Listener::start(&redis);
    let mut received = vec![listener.message().await, listener.message().await];
    received.sort();
    assert_eq!(received, waiting);
}

#[tokio::test]
async fn pruning_an_empty_queue_removes_nothing() {
    let redis = TestRedis::start().await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    assert_eq!((publisher.prune().await.unwrap(), publisher.depth().await.unwrap()), (0, 0));
}

#[tokio::test]
async fn workers_leave_no_keys_and_every_key_has_the_prefix() {
    let redis = TestRedis::start().await;
    let mut conn = connection(&redis).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    for _ in 0..3 {
        let mut listener = Listener::start(&redis);
        let run = ids(1);
        publisher.publish(&run).await.unwrap();
        assert_eq!(listener.message().await, run[0]);
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut conn).await.unwrap();
        assert!(keys.iter().all(|key| key.starts_with("test:")), "{keys:?}");
        listener.stop().await;
    }
    publisher.prune().await.unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut conn).await.unwrap();
    // what a health check wrote expires; the entries of a worker that stops before it acknowledges them are removed with it
    keys.retain(|key| key != "test:probe" && key != "test:runs:signal");
    assert_eq!(keys, [""; 0]);
}
