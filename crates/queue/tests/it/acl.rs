//! An ACL user with exactly the rights that the documentation lists, and users that lack one of them.

use aprendiz_queue::{Publisher, QueueConfig, QueueUse, RedisFault, diagnose};
use aprendiz_test_support::TestRedis;

use crate::fixture::{Listener, config_for, ids};

const PASSWORD: &str = "correct-horse";

/// The documented command, for the key prefix of these tests.
fn documented_rights() -> String {
    let page = include_str!("../../../../docs/OPERATIONS.md");
    let lines = page.lines().skip_while(|line| !line.trim_start().starts_with("ACL SETUSER aprendiz "));
    let command: Vec<&str> =
        lines.take_while(|line| line.starts_with("    ")).map(|line| line.trim().trim_end_matches('\\').trim()).collect();
    assert!(!command.is_empty(), "docs/OPERATIONS.md shows the command");
    command.join(" ").replace("aprendiz:*", "test:*").replace(">PASSWORD", &format!(">{PASSWORD}"))
}

/// A Redis with the documented user and a change of its rights.
async fn redis_with_user(change: &str) -> (TestRedis, QueueConfig) {
    let redis = TestRedis::start().await;
    assert_eq!(redis.command(&documented_rights()).await.as_deref(), Some("+OK\r\n"));
    if !change.is_empty() {
        assert_eq!(redis.command(&format!("ACL SETUSER aprendiz {change}")).await.as_deref(), Some("+OK\r\n"));
    }
    let config = config_for(&redis.url_as("aprendiz", PASSWORD));
    (redis, config)
}

#[tokio::test]
async fn the_documented_rights_suffice() {
    let (redis, config) = redis_with_user("").await;
    assert_eq!(diagnose(&config).await.unwrap(), 0);
    let mut listener = Listener::start_with(config.clone());
    let mut publisher = Publisher::connect(&config).await.unwrap();
    let runs = ids(3);
    publisher.publish(&runs).await.unwrap();
    for _ in &runs {
        listener.message().await;
    }
    publisher.check().await.unwrap();
    publisher.prune().await.unwrap();
    listener.stop().await;
    // Redis logs every denied command. Newer versions know CLIENT SETINFO, with which a client sends its name
    let log = redis.command("ACL LOG").await.unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let denied: Vec<&str> = lines.windows(3).filter(|lines| lines[0] == "object").map(|lines| lines[2]).collect();
    assert!(denied.iter().all(|command| command.starts_with("client")), "{denied:?}");
}

#[tokio::test]
async fn a_missing_right_is_named() {
    for (change, failed_use, named) in [
        ("resetkeys ~other:*", QueueUse::Write, "keys"),
        ("-evalsha", QueueUse::Write, "evalsha"),
        ("-set", QueueUse::Write, "script"),
        ("-publish", QueueUse::Publish, "publish"),
        ("resetchannels &other:*", QueueUse::Publish, "channel"),
        ("-subscribe", QueueUse::Subscribe, "subscribe"),
        ("-zcard", QueueUse::Deliver, "zcard"),
        ("-hsetnx", QueueUse::Deliver, "script"),
        ("-sismember", QueueUse::Deliver, "script"),
    ] {
        let (_redis, config) = redis_with_user(change).await;
        let diagnosis = diagnose(&config).await.unwrap_err();
        assert_eq!((diagnosis.failed_use, diagnosis.error.fault()), (failed_use, RedisFault::Permission), "{change}: {diagnosis}");
        assert!(diagnosis.to_string().contains(named), "{change}: {diagnosis}");
    }
}

#[tokio::test]
async fn a_listener_without_channels_is_never_connected() {
    let (redis, config) = redis_with_user("resetchannels").await;
    let mut listener = Listener::start_with(config);
    assert_eq!(listener.disconnected().await, RedisFault::Permission);
    assert_eq!(redis.command("ACL SETUSER aprendiz &test:*").await.as_deref(), Some("+OK\r\n"));
    listener.connected().await;
    listener.stop().await;
}
