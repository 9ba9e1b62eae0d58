//! A migrated database per test, dropped at the end even if the test fails.

use std::future::Future;

use aprendiz_annotations::import::{ImportError, ImportOptions, ImportReport, import_label_studio};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};
use uuid::Uuid;

/// Runs a test with its own empty, migrated database.
pub(crate) async fn with_database<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(PgPool) -> F) {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run `./dev test`, which starts a private Postgres");
    let server: PgConnectOptions = url.parse().expect("DATABASE_URL is a Postgres URL");
    let name = format!("annotations_test_{}", Uuid::new_v4().simple());
    let mut admin = server.connect().await.expect("Postgres answers at DATABASE_URL");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).execute(&mut admin).await.unwrap();

    let pool = PgPoolOptions::new().max_connections(5).connect_with(server.database(&name)).await.unwrap();
    sqlx::migrate!("../../migrations").run(&pool).await.unwrap();
    let outcome = tokio::spawn(test(pool.clone())).await;

    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// Imports bytes; texts may be replaced by wholly different ones.
pub(crate) async fn import(pool: &PgPool, file: impl Into<Vec<u8>>) -> Result<ImportReport, ImportError> {
    let mut options = ImportOptions::new("test");
    options.replace_texts = true;
    import_with(pool, file, &options).await
}

/// Imports bytes with options.
pub(crate) async fn import_with(pool: &PgPool, file: impl Into<Vec<u8>>, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    let mut conn = pool.acquire().await.unwrap();
    import_label_studio(&mut conn, std::io::Cursor::new(file.into()), options, |_| {}).await
}

/// The rows of every table that an import writes except `imports` and its quarantine, in a fixed order.
pub(crate) async fn contents(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT 'document ' || d::text FROM documents d ORDER BY id",
        "SELECT 'text ' || t::text FROM document_texts t ORDER BY position",
        "SELECT 'split ' || s::text FROM document_splits s ORDER BY position",
        "SELECT 'details ' || v::text FROM document_details v ORDER BY position",
        "SELECT 'definition ' || d::text FROM field_definitions d ORDER BY position",
        "SELECT 'field ' || f::text FROM fields f ORDER BY name",
        "SELECT 'extraction ' || x::text FROM extractions x ORDER BY document_id, field, extractor_version",
        "SELECT 'event ' || e::text FROM annotation_events e ORDER BY position",
        "SELECT 'annotation ' || a::text FROM annotations a ORDER BY document_id, field",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(query).fetch_all(pool).await.unwrap());
    }
    all
}

/// Current state of a field of the only document with this task id: predicted, accepted, status, version.
pub(crate) async fn state(pool: &PgPool, task_id: &str, field: &str) -> State {
    sqlx::query_as(
        "SELECT a.predicted_value, a.accepted_value, a.review_status::text, a.version
         FROM annotations a JOIN documents d ON d.id = a.document_id
         WHERE d.task_id = $1 AND a.field = $2",
    )
    .bind(task_id)
    .bind(field)
    .fetch_one(pool)
    .await
    .unwrap_or_else(|error| panic!("field {field} of task {task_id}: {error}"))
}

/// What [`state`] returns.
pub(crate) type State = (Option<Vec<String>>, Option<Vec<String>>, String, i32);

/// Builds a [`State`].
pub(crate) fn is(predicted: Option<&[&str]>, accepted: Option<&[&str]>, status: &str, version: i32) -> State {
    let value = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
    (predicted.map(value), accepted.map(value), status.to_owned(), version)
}

/// Number of rows of a query.
pub(crate) async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}
