//! A Redis that answers but accepts no writes.

use aprendiz_queue::{Publisher, QueueUse, RedisFault, diagnose};
use aprendiz_test_support::{TestRedis, wait_until};

use crate::fixture::{Listener, TIMEOUT, config, ids};

async fn check_fault(redis: &TestRedis, repair: &str, fault: RedisFault, mut listener: Listener) {
    let mut publisher = Publisher::connect(&config(redis)).await.unwrap();
    assert_eq!(publisher.depth().await.unwrap(), 0, "reads still work");
    let error = publisher.check().await.unwrap_err();
    assert_eq!(error.fault(), fault, "{error}");
    let diagnosis = diagnose(&config(redis)).await.unwrap_err();
    assert_eq!((diagnosis.failed_use, diagnosis.error.fault()), (QueueUse::Write, fault), "{diagnosis}");
    // apalis fails first, then each attempt to connect again
    assert_eq!(listener.disconnected().await, fault);
    assert_eq!(listener.disconnected().await, fault);

    assert_eq!(redis.command(repair).await.as_deref(), Some("+OK\r\n"));
    listener.connected().await;
    wait_until("a successful check", TIMEOUT, async || publisher.check().await.ok()).await;
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
    listener.stop().await;
}

async fn check_command(command: &str, repair: &str, fault: RedisFault) {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    listener.connected().await;
    assert_eq!(redis.command(command).await.as_deref(), Some("+OK\r\n"));
    check_fault(&redis, repair, fault, listener).await;
}

#[tokio::test]
async fn a_full_redis_is_unhealthy() {
    check_command("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", RedisFault::Full).await;
}

#[tokio::test]
async fn a_replica_is_unhealthy() {
    check_command("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", RedisFault::ReadOnly).await;
}

#[tokio::test]
async fn a_redis_without_enough_replicas_is_unhealthy() {
    check_command("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", RedisFault::TooFewReplicas).await;
}

#[tokio::test]
async fn a_redis_that_cannot_save_is_unhealthy() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    listener.connected().await;
    redis.fail_snapshots().await;
    check_fault(&redis, "CONFIG SET save \"\"", RedisFault::DiskFailed, listener).await;
}

#[tokio::test]
async fn checks_wake_no_listener() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    listener.connected().await;
    listener.wakeup().await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    publisher.check().await.unwrap();
    assert_eq!(diagnose(&config(&redis)).await.unwrap(), 0);
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    listener.wakeup().await;
    assert_eq!(listener.message().await, run[0]);
    let rest = listener.rest();
    assert!(rest.is_empty(), "{rest:?}");
}
