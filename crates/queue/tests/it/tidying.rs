//! What finished entries leave behind goes.

use queue::Announcer;
use redis::aio::MultiplexedConnection;
use test_support::{TestRedis, wait_until};

use crate::fixture::{LIMIT, Listener, config, connection, ids};

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
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let listener = Listener::start(&redis);
    announcer.announce(&ids(RUNS)).await.unwrap();
    wait_until("finished entries", LIMIT, async || (count(&mut conn, "SCARD", "test:runs:done").await == RUNS).then_some(())).await;
    listener.stop().await;

    let waiting = ids(2);
    announcer.announce(&waiting).await.unwrap();
    assert_eq!((count(&mut conn, "HLEN", "test:runs:data").await, meta(&mut conn).await), (RUNS + 2, RUNS + 2));
    assert_eq!(announcer.tidy().await.unwrap(), RUNS);
    assert_eq!((count(&mut conn, "HLEN", "test:runs:data").await, meta(&mut conn).await), (2, 2));
    assert_eq!(count(&mut conn, "SCARD", "test:runs:done").await, 0);
    assert_eq!((announcer.tidy().await.unwrap(), announcer.depth().await.unwrap()), (0, 2));

    let mut listener = Listener::start(&redis);
    let mut heard = vec![listener.message().await, listener.message().await];
    heard.sort();
    assert_eq!(heard, waiting);
}

#[tokio::test]
async fn an_empty_queue_is_tidy() {
    let redis = TestRedis::start().await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    assert_eq!((announcer.tidy().await.unwrap(), announcer.depth().await.unwrap()), (0, 0));
}
