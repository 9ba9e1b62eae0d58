//! Published runs are received.

use std::collections::HashSet;

use aprendiz_queue::{Publisher, QueueNotification};
use aprendiz_test_support::TestRedis;

use crate::fixture::{Listener, config, drained, ids, subscribed};

#[tokio::test]
async fn publishing_wakes_the_listener_and_delivers_the_message() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    listener.wakeup().await;
    assert_eq!(listener.message().await, run[0]);
    drained(&mut publisher).await;
    listener.stop().await;
}

#[tokio::test]
async fn publishing_no_run_wakes_no_listener() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    publisher.publish(&[]).await.unwrap();
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    listener.wakeup().await;
    assert_eq!(listener.message().await, run[0]);
    let rest = listener.rest();
    assert!(!rest.iter().any(|notification| matches!(notification, QueueNotification::Wakeup)), "{rest:?}");
}

#[tokio::test]
async fn runs_published_before_the_listener_started_are_received() {
    let redis = TestRedis::start().await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(3);
    publisher.publish(&runs).await.unwrap();
    assert_eq!(publisher.depth().await.unwrap(), 3);
    let mut listener = Listener::start(&redis);
    let mut received = HashSet::new();
    while received.len() < 3 {
        received.insert(listener.message().await);
    }
    assert_eq!(received, runs.into_iter().collect());
}

#[tokio::test]
async fn one_run_can_be_published_again() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    for _ in 0..3 {
        publisher.publish(&run).await.unwrap();
        assert_eq!(listener.message().await, run[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_is_woken_and_each_message_goes_to_one() {
    const RUNS: usize = 40;
    let redis = TestRedis::start().await;
    let mut listeners = [Listener::start(&redis), Listener::start(&redis)];
    subscribed(&redis, 2).await;
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(RUNS);
    publisher.publish(&runs).await.unwrap();
    let [first, second] = &mut listeners;
    first.wakeup().await;
    second.wakeup().await;
    let mut received = Vec::new();
    while received.len() < RUNS {
        tokio::select! {
            run = first.message() => received.push(run),
            run = second.message() => received.push(run),
        }
    }
    assert_eq!(received.iter().copied().collect::<HashSet<_>>(), runs.into_iter().collect());
    // a duplicate would have been fetched before the queue was empty
    drained(&mut publisher).await;
    for listener in &mut listeners {
        let rest = listener.rest();
        assert!(!rest.iter().any(|notification| matches!(notification, QueueNotification::Message(_))), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_runs_published_at_once_are_all_received() {
    const RUNS: usize = 500;
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let runs = ids(RUNS);
    publisher.publish(&runs).await.unwrap();
    let mut received = HashSet::new();
    while received.len() < RUNS {
        received.insert(listener.message().await);
    }
    assert_eq!(received, runs.into_iter().collect());
    drained(&mut publisher).await;
    listener.stop().await;
}

#[tokio::test]
async fn the_queue_of_another_prefix_is_not_received() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut other = Publisher::connect(&config(&redis).with_prefix("other")).await.unwrap();
    other.publish(&ids(1)).await.unwrap();
    let mut publisher = Publisher::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    publisher.publish(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
    assert_eq!(other.depth().await.unwrap(), 1);
}
