//! Redis goes away and comes back.

use queue::{Announcer, QueueError};
use test_support::{TestRedis, wait_until};

use crate::fixture::{LIMIT, Listener, config, drained, ids, subscribed};

/// Announces until Redis takes it, as the relay does.
async fn announce(announcer: &mut Announcer, run: &[uuid::Uuid]) {
    wait_until("an announcement", LIMIT, async || announcer.announce(run).await.ok()).await;
}

#[tokio::test]
async fn a_redis_that_lost_everything_is_heard_again() {
    let mut redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(3);
    announcer.announce(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);

    for run in &runs[1..] {
        redis.stop();
        assert!(announcer.ping().await.is_err());
        redis.resume().await;
        announce(&mut announcer, &[*run]).await;
        assert_eq!(listener.message().await, *run);
        subscribed(&redis, 1).await;
        announcer.ping().await.unwrap();
    }
    listener.stop().await;
}

#[tokio::test]
async fn emptying_redis_under_a_listener_stops_it_for_a_moment_only() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(2);
    announcer.announce(&runs[..1]).await.unwrap();
    assert_eq!(listener.message().await, runs[0]);
    assert_eq!(redis.command("FLUSHALL").await.as_deref(), Some("+OK\r\n"));
    announcer.announce(&runs[1..]).await.unwrap();
    assert_eq!(listener.message().await, runs[1]);
    drained(&mut announcer).await;
}

#[tokio::test]
async fn a_listener_may_start_before_redis() {
    let mut redis = TestRedis::absent();
    let mut listener = Listener::start(&redis);
    let error = Announcer::connect(&config(&redis)).await.unwrap_err();
    assert!(matches!(error, QueueError::Redis(_)), "{error}");
    redis.resume().await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    announcer.announce(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
}

#[tokio::test]
async fn a_listener_without_redis_stops_when_asked() {
    let redis = TestRedis::absent();
    let listener = Listener::start(&redis);
    // it is certain to have tried: this try comes later and fails
    assert!(Announcer::connect(&config(&redis)).await.is_err());
    listener.stop().await;
}

#[tokio::test]
async fn a_wrong_address_never_shows_its_password() {
    let redis = TestRedis::absent();
    let mut wrong = config(&redis);
    wrong.redis_url = "http://:hunter2@localhost".into();
    let error = Announcer::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, QueueError::Url), "{error}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("hunter2"));
}
