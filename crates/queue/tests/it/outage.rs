//! Redis becomes unavailable and comes back.

use aprendiz_queue::{Publisher, QueueError};
use aprendiz_test_support::{TestRedis, wait_until};

use crate::fixture::{Listener, TIMEOUT, config, drained, ids, subscribed};

/// Publishes until Redis accepts it, as the relay does.
async fn publish(publisher: &mut Publisher, run: &[uuid::Uuid]) {
    wait_until("a successful publication", TIMEOUT, async || publisher.publish(run).await.ok()).await;
}

#[tokio::test]
async fn the_listener_reconnects_to_a_redis_that_lost_everything() {
    let mut redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(3);
    publisher.publish(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);

    for run in &runs[1..] {
        redis.stop();
        assert!(publisher.check().await.is_err());
        redis.resume().await;
        publish(&mut publisher, &[*run]).await;
        assert_eq!(listener.message().await, *run);
        subscribed(&redis, 1).await;
        publisher.check().await.unwrap();
    }
    listener.stop().await;
}

#[tokio::test]
async fn emptying_redis_interrupts_a_listener_only_briefly() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    publisher.publish(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);
    assert_eq!(redis.command("FLUSHALL").await.as_deref(), Some("+OK\r\n"));
    publisher.publish(&runs[1..]).await.unwrap();
    assert_eq!(listener.message().await, runs[1]);
    drained(&mut publisher).await;
}

#[tokio::test]
async fn a_listener_may_start_before_redis() {
    let mut redis = TestRedis::absent();
    let mut listener = Listener::start(&redis);
    let error = Publisher::connect(&config(&redis)).await.unwrap_err();
    assert!(matches!(error, QueueError::Redis(_)), "{error}");
    redis.resume().await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
}

#[tokio::test]
async fn a_listener_without_redis_stops_when_asked() {
    let redis = TestRedis::absent();
    let listener = Listener::start(&redis);
    // the listener has tried by now: this attempt comes later and fails
    assert!(Publisher::connect(&config(&redis)).await.is_err());
    listener.stop().await;
}
