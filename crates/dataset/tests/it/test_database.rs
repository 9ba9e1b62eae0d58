//! Creates a migrated database for one test, and drops it afterwards even if the test panics.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::str::FromStr;

use aprendiz_db::Session;
use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;

use crate::corpus::Corpus;

pub(crate) fn with_corpus(test: impl AsyncFnOnce(&mut Corpus)) {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run ./dev test, which starts the services");
    let server = PgConnectOptions::from_str(&url).expect("DATABASE_URL is a Postgres URL");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let name = format!("dataset_test_{}", Uuid::new_v4().simple());
        let mut admin = server.connect().await.expect("DATABASE_URL can be reached: run ./dev test, which starts the services");
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.unwrap();
        let outcome = AssertUnwindSafe(async {
            let database = Session::new(server.clone().database(&name));
            let mut conn = database.connect().await.unwrap();
            sqlx::migrate!("../../migrations").run(&mut conn).await.unwrap();
            test(&mut Corpus::new(conn, database)).await;
        })
        .catch_unwind()
        .await;
        admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        admin.close().await.unwrap();
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    });
}
