//! Tests of the test environment.

use aprendiz_test_support::{TestBucket, TestDatabase, TestEnv, TestRedis};
use sqlx::AssertSqlSafe;

#[tokio::test]
async fn every_database_is_migrated_and_isolated() {
    let (first, second) = tokio::join!(TestDatabase::create(), TestDatabase::create());
    sqlx::query("INSERT INTO fields (name, kind) VALUES ('contract_type', 'categorical')").execute(first.pool()).await.unwrap();
    let count = "SELECT count(*) FROM fields";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(first.pool()).await.unwrap(), 1);
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(second.pool()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_database_is_deleted() {
    let database = TestDatabase::create().await;
    let other = TestDatabase::create().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(database.pool()).await.unwrap();
    drop(database);
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1").bind(name).fetch_one(other.pool()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_redis_can_be_emptied_stopped_and_resumed() {
    let mut redis = TestRedis::start().await;
    assert_eq!(redis.command("SET color blue").await.as_deref(), Some("+OK\r\n"));
    assert_eq!(redis.command("GET color").await.as_deref(), Some("$4\r\nblue\r\n"));
    redis.stop();
    assert_eq!(redis.command("PING").await, None);
    redis.resume().await;
    assert_eq!(redis.command("GET color").await.as_deref(), Some("$-1\r\n"));
}

#[tokio::test]
async fn a_dropped_bucket_is_deleted_with_its_objects() {
    let bucket = TestBucket::create().await;
    let client = bucket.client().clone();
    let name = bucket.name().to_owned();
    client.put_object().bucket(&name).key("a/b").body(b"bytes".to_vec().into()).send().await.unwrap();
    assert_eq!(bucket.keys().await, ["a/b"]);
    drop(bucket);
    assert!(client.head_bucket().bucket(&name).send().await.is_err());
}

#[tokio::test]
#[should_panic(expected = "unfinished runs")]
async fn finish_fails_on_unfinished_runs() {
    let env = TestEnv::start().await;
    // a stand-in table keeps this test independent of the columns of the real one
    let sql = "CREATE TABLE public.stand_in AS SELECT 'a run' AS id, 'running' AS status;
        DROP TABLE training_runs CASCADE; ALTER TABLE stand_in RENAME TO training_runs";
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(env.pool()).await.unwrap();
    env.finish().await;
}
