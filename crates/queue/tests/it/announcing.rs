//! What is announced is heard.

use std::collections::HashSet;

use queue::{Announcer, Ring};
use test_support::TestRedis;

use crate::fixture::{Listener, config, drained, ids, subscribed};

#[tokio::test]
async fn an_announcement_wakes_and_brings_its_message() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    announcer.announce(&run).await.unwrap();
    listener.woken().await;
    assert_eq!(listener.message().await, run[0]);
    drained(&mut announcer).await;
    listener.stop().await;
}

#[tokio::test]
async fn nothing_to_announce_wakes_nobody() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    announcer.announce(&[]).await.unwrap();
    let run = ids(1);
    announcer.announce(&run).await.unwrap();
    listener.woken().await;
    assert_eq!(listener.message().await, run[0]);
    let rest = listener.rest();
    assert!(!rest.iter().any(|ring| matches!(ring, Ring::Woken)), "{rest:?}");
}

#[tokio::test]
async fn what_was_announced_before_anybody_listened_is_heard() {
    let redis = TestRedis::start().await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(3);
    announcer.announce(&runs).await.unwrap();
    assert_eq!(announcer.depth().await.unwrap(), 3);
    let mut listener = Listener::start(&redis);
    let mut heard = HashSet::new();
    while heard.len() < 3 {
        heard.insert(listener.message().await);
    }
    assert_eq!(heard, runs.into_iter().collect());
}

#[tokio::test]
async fn one_run_can_be_announced_again() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    for _ in 0..3 {
        announcer.announce(&run).await.unwrap();
        assert_eq!(listener.message().await, run[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_listener_is_woken_and_each_message_goes_to_one() {
    const RUNS: usize = 40;
    let redis = TestRedis::start().await;
    let mut listeners = [Listener::start(&redis), Listener::start(&redis)];
    subscribed(&redis, 2).await;
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(RUNS);
    announcer.announce(&runs).await.unwrap();
    let [first, second] = &mut listeners;
    first.woken().await;
    second.woken().await;
    let mut heard = Vec::new();
    while heard.len() < RUNS {
        tokio::select! {
            run = first.message() => heard.push(run),
            run = second.message() => heard.push(run),
        }
    }
    assert_eq!(heard.iter().copied().collect::<HashSet<_>>(), runs.into_iter().collect());
    // a second copy of any would have been fetched before the queue was empty
    drained(&mut announcer).await;
    for listener in &mut listeners {
        let rest = listener.rest();
        assert!(!rest.iter().any(|ring| matches!(ring, Ring::Message(_))), "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_announcements_at_once_are_all_heard() {
    const RUNS: usize = 500;
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let runs = ids(RUNS);
    announcer.announce(&runs).await.unwrap();
    let mut heard = HashSet::new();
    while heard.len() < RUNS {
        heard.insert(listener.message().await);
    }
    assert_eq!(heard, runs.into_iter().collect());
    drained(&mut announcer).await;
    listener.stop().await;
}

#[tokio::test]
async fn the_queue_of_another_prefix_is_not_heard() {
    let redis = TestRedis::start().await;
    let mut listener = Listener::start(&redis);
    subscribed(&redis, 1).await;
    let mut other = Announcer::connect(&queue::QueueConfig { prefix: "other".to_owned(), ..config(&redis) }).await.unwrap();
    other.announce(&ids(1)).await.unwrap();
    let mut announcer = Announcer::connect(&config(&redis)).await.unwrap();
    let run = ids(1);
    announcer.announce(&run).await.unwrap();
    assert_eq!(listener.message().await, run[0]);
    assert_eq!(other.depth().await.unwrap(), 1);
}
