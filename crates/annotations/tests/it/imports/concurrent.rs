//! Concurrent imports of two files with common tasks.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::{Barrier, oneshot};

use crate::database::{import, with_database};
use crate::task_builders::{annotation, file, prediction, task};

/// Tasks 1 to 60 and 40 to 100. Common tasks have different texts, predictions and annotations.
fn files() -> [Vec<u8>; 2] {
    let side = |ids: std::ops::RangeInclusive<u64>, later: bool| {
        let tasks: Vec<Value> = ids
            .map(|id| {
                let mut one = task(id);
                let (law, day) = if later { ("Texas", "05") } else { ("Ohio", "03") };
                // some texts depend on the file, some are near-duplicates of each other
                let version = if later && id % 5 == 0 { "second" } else { "first" };
                one["data"]["text"] = json!(format!("{version} text of group {} and nothing more than these few words of it", id % 7));
                one["annotations"] = json!([
                    annotation(1000 + id, "2024-02-01T00:00:00Z", &[("law", "Iowa"), ("kind", "Sale")]),
                    annotation(2000 + id, &format!("2024-02-{day}T00:00:00Z"), &[("law", law)]),
                ]);
                let (model, value) = if later { ("v2", "Texas") } else { ("v1", "Iowa") };
                one["predictions"] = json!([prediction(id, model, "2024-01-01T00:00:00Z", &[("law", value)])]);
                one
            })
            .collect();
        file(&tasks)
    };
    [side(1..=60, false), side(40..=100, true)]
}

/// The stored rows, without clocks, random ids and positions.
async fn snapshot(pool: &PgPool) -> Vec<String> {
    let mut snapshot = Vec::new();
    for query in [
        "SELECT concat_ws('|', 'text', d.task_id, t.version, t.text) FROM document_texts t JOIN documents d ON d.id = t.document_id ORDER BY 1",
        "SELECT concat_ws('|', 'split', d.task_id, s.version, s.split, s.group_key, s.reason)
         FROM document_splits s JOIN documents d ON d.id = s.document_id ORDER BY 1",
        "SELECT concat_ws('|', 'event', d.task_id, e.field, e.value, e.reviewer, e.source_ref, e.occurred_at)
         FROM annotation_events e JOIN documents d ON d.id = e.document_id ORDER BY 1",
        "SELECT concat_ws('|', 'extraction', d.task_id, x.field, x.extractor_version, x.value, x.confidence)
         FROM extractions x JOIN documents d ON d.id = x.document_id ORDER BY 1",
        "SELECT concat_ws('|', 'state', d.task_id, a.field, a.predicted_value, a.accepted_value, a.review_status, a.version)
         FROM annotations a JOIN documents d ON d.id = a.document_id ORDER BY 1",
        "SELECT concat_ws('|', 'field', name, kind, cardinality) FROM fields ORDER BY 1",
    ] {
        snapshot.extend(sqlx::query_scalar::<_, String>(query).fetch_all(pool).await.unwrap());
    }
    snapshot
}

async fn import_in_order(order: [usize; 2]) -> Vec<String> {
    let (sender, receiver) = oneshot::channel();
    with_database(async move |pool| {
        for index in order {
            import(&pool, files()[index].clone()).await.unwrap();
        }
        sender.send(snapshot(&pool).await).unwrap();
    })
    .await;
    receiver.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_imports_of_overlapping_files_are_serializable() {
    let possible = [import_in_order([0, 1]).await, import_in_order([1, 0]).await];
    assert_ne!(possible[0], possible[1], "the order matters, or this test shows nothing");
    for _ in 0..3 {
        let (sender, receiver) = oneshot::channel();
        with_database(async move |pool| {
            let start = Arc::new(Barrier::new(2));
            let imports = files().map(|file| {
                let (pool, start) = (pool.clone(), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    import(&pool, file).await.unwrap()
                })
            });
            for import in imports {
                import.await.unwrap();
            }
            sender.send(snapshot(&pool).await).unwrap();
        })
        .await;
        let found = receiver.await.unwrap();
        let differs = |other: &[String]| found.iter().filter(|line| !other.contains(line)).take(5).cloned().collect::<Vec<_>>();
        assert!(possible.contains(&found), "neither order: {:?} / {:?}", differs(&possible[0]), differs(&possible[1]));
    }
}
