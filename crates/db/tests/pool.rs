//! The connection pool, against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use aprendiz_db::{Database, Session};
use aprendiz_test_support::TestDatabase;
use futures::FutureExt as _;
use sqlx::Connection as _;
use sqlx::postgres::PgPoolOptions;

fn pool_of_one(database: &TestDatabase) -> Database {
    Database::direct(Session::new(database.url().parse().unwrap()), PgPoolOptions::new().max_connections(1))
}

#[tokio::test]
async fn a_caller_that_is_cancelled_while_it_begins_leaves_no_transaction_behind() {
    let database = TestDatabase::create().await;
    let pool = pool_of_one(&database);
    sqlx::raw_sql("CREATE TABLE notes (number int)").execute(&mut *pool.read().await.unwrap()).await.unwrap();
    let mut holder = database.pool().acquire().await.unwrap();
    for number in 0..20 {
        sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut *holder).await.unwrap();
        let mut conn = pool.read().await.unwrap();
        // BEGIN is on its way, and its answer waits for the lock
        assert!(conn.begin_with("BEGIN; SELECT pg_advisory_xact_lock(1)").now_or_never().is_none());
        drop(conn);
        sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut *holder).await.unwrap();
        sqlx::query("INSERT INTO notes VALUES ($1)").bind(number).execute(&mut *pool.read().await.unwrap()).await.unwrap();
        let written: i64 = sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(database.pool()).await.unwrap();
        assert_eq!(written, i64::from(number) + 1, "another connection sees what was written");
    }
    pool.close().await;
}

#[tokio::test]
async fn a_connection_that_is_in_order_is_used_again() {
    let database = TestDatabase::create().await;
    let pool = pool_of_one(&database);
    let backend =
        async || sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(&mut *pool.read().await.unwrap()).await.unwrap();
    let first = backend().await;
    for _ in 0..20 {
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("SELECT 1").execute(&mut *tx).await.unwrap();
        drop(tx);
        assert_eq!(backend().await, first);
    }
    pool.close().await;
}
