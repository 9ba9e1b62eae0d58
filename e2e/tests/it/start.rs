//! Bad configuration: both binaries end at once, name what is wrong, and show no password.

use std::process::{Command, Stdio};

use test_support::{TestEnv, TestRedis};

const PASSWORD: &str = "correct-horse-battery";

#[tokio::test]
async fn a_wrong_database_stops_the_start_and_no_password_is_shown() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    let right = env.database.url();
    let (_, place) = right.rsplit_once('@').expect("the address has a user");
    let (host, _) = place.split_once('/').expect("the address has a database");
    let host = host.to_owned();
    let cases = [
        // nobody listens there
        (format!("postgres://aprendiz:{PASSWORD}@127.0.0.1:1/contracts"), "127.0.0.1:1"),
        (format!("postgres://aprendiz:{PASSWORD}@{host}/contracts"), host.as_str()),
        (format!("mysql://aprendiz:{PASSWORD}@{host}/contracts"), "DATABASE_URL"),
    ];
    for (url, named) in &cases {
        refuse(&env, "DATABASE_URL", url, &["DATABASE_URL", named]);
    }
}

#[tokio::test]
async fn a_database_without_migrations_is_refused_with_the_way_out() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    // an empty database beside the migrated one
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(env.pool()).await.unwrap();
    refuse(&env, "DATABASE_URL", env.database.url(), &["aprendiz migrate"]);
}

#[tokio::test]
async fn a_missing_bucket_stops_the_start_and_is_named() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    refuse(&env, "APRENDIZ_BUCKET", "nobody-made-this-bucket", &["nobody-made-this-bucket", "does not exist", "APRENDIZ_BUCKET"]);
}

#[tokio::test]
async fn a_variable_that_is_missing_or_wrong_is_named() {
    let env = TestEnv::with_redis(TestRedis::absent()).await;
    refuse(&env, "REDIS_URL", &format!("http://:{PASSWORD}@127.0.0.1"), &["REDIS_URL"]);
    refuse(&env, "APRENDIZ_BUCKET", "", &["APRENDIZ_BUCKET"]);
    refuse(&env, "APRENDIZ_DATABASE_CONNECTIONS", "many", &["APRENDIZ_DATABASE_CONNECTIONS", "many"]);
}

/// Starts the API and a worker with one variable changed; both must fail with these words.
fn refuse(env: &TestEnv, variable: &str, value: &str, named: &[&str]) {
    let start = |command: &mut Command| {
        command.env(variable, value).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    };
    // both at once: a database that is away is given a few seconds
    let started =
        [start(env.command("aprendiz").arg("serve").env("APRENDIZ_LISTEN", "127.0.0.1:0")), start(&mut env.command("aprendiz-worker"))];
    for (child, name) in started.into_iter().zip(["serve", "worker"]) {
        let output = child.wait_with_output().expect("the binary ends");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        for words in named {
            assert!(said.contains(words), "{name} does not name {words}: {said}");
        }
        assert!(!said.contains(PASSWORD), "{name}: {said}");
        let right = env.database.url();
        let secret = right.split_once("://").and_then(|(_, rest)| rest.split_once('@')).and_then(|(user, _)| user.split_once(':'));
        assert!(secret.is_none_or(|(_, password)| !said.contains(password)), "{name}: {said}");
    }
}
