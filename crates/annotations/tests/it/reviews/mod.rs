//! Reviews of single fields.

mod accept;
mod concurrency;
mod lease;
mod status;
mod waiting;

use std::time::Duration;

use aprendiz_annotations::reviews::{Decision, NewReview};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::import;
use crate::task_builders::{file, prediction, task};

const MINUTE: Duration = Duration::from_secs(60);

async fn document_ids(pool: &PgPool) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(pool).await.unwrap()
}

/// Imports documents with predictions of `law` and `term`, whose confidence is their task id in hundredths.
async fn predicted(pool: &PgPool, count: u64) {
    let tasks: Vec<Value> = (1..=count)
        .map(|id| {
            let mut task = task(id);
            let mut predicted = prediction(id, "v1", "2024-01-01T00:00:00Z", &[("law", "Texas"), ("term", "long")]);
            predicted["score"] = json!(id as f64 / 100.0);
            task["predictions"] = json!([predicted]);
            task
        })
        .collect();
    import(pool, file(&tasks)).await.unwrap();
}

fn law_review(document: Uuid, reviewer: &str) -> NewReview {
    NewReview::new(document, "law", Decision::Set(vec!["Texas".to_owned()]), reviewer)
}
