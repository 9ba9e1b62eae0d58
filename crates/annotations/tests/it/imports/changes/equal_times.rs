//! Reviews with equal times: the greatest id counts, whatever arrives first.

use aprendiz_annotations::import::ImportOptions;
use aprendiz_annotations::{as_of, history};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{contents, count, import, import_with, is, state, with_database};
use crate::task_builders::{annotation, file, task};

const TIME: &str = "2024-02-01T00:00:00Z";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/cases/equal-times/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn document(pool: &PgPool, task_id: &str) -> Uuid {
    sqlx::query_scalar("SELECT id FROM documents WHERE task_id = $1").bind(task_id).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_does_not_depend_on_the_order_of_annotations_or_imports() {
    for files in [vec!["a.json"], vec!["b.json"], vec!["day-before.json", "a.json"], vec!["day-before.json", "b.json", "a.json"]] {
        with_database(|pool| async move {
            for name in &files {
                import(&pool, fixture(name)).await.unwrap();
            }
            for task in ["801", "802", "803"] {
                let (_, accepted, ..) = state(&pool, task, "kind").await;
                assert_eq!(accepted, Some(vec!["newer-id".to_owned()]), "{files:?}: {task}");
            }
            let before = contents(&pool).await;
            for name in ["a.json", "b.json"] {
                let report = import(&pool, fixture(name)).await.unwrap();
                assert_eq!(report.events_created, 0);
                let ties = report.notes.iter().find(|note| note.reason.contains("the same newest time")).unwrap();
                assert_eq!((ties.count, ties.examples[0].as_str()), (3, "task 801, annotation 82"));
            }
            assert_eq!(before, contents(&pool).await, "{files:?}");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_and_as_of_decide_equal_times_in_the_same_way() {
    with_database(|pool| async move {
        let law = |id: u64, law: &str| {
            let mut one = task(1);
            one["annotations"] = json!([annotation(id, TIME, &[("law", law)])]);
            file(&[one])
        };
        // each import arrives later, but 1000 is the greatest number
        for (id, value) in [(99, "Ohio"), (1000, "Texas"), (100, "Iowa"), (101, "Utah")] {
            import(&pool, law(id, value)).await.unwrap();
        }
        assert_eq!(state(&pool, "1", "law").await.1, Some(vec!["Texas".to_owned()]));
        let document = document(&pool, "1").await;
        let mut conn = pool.acquire().await.unwrap();
        let positions: Vec<i64> =
            sqlx::query_scalar("SELECT position FROM annotation_events ORDER BY position").fetch_all(&mut *conn).await.unwrap();
        for (position, expected) in positions.iter().zip(["Ohio", "Texas", "Texas", "Texas"]) {
            let counted = as_of(&mut conn, document, "law", *position).await.unwrap().unwrap();
            assert_eq!(counted.accepted_value, Some(vec![expected.to_owned()]), "as of {position}");
            let accepted: Vec<String> = sqlx::query_scalar("SELECT value FROM accepted_values($1, '{law}', $2)")
                .bind(document)
                .bind(position)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            assert_eq!(accepted, [expected], "snapshot as of {position}");
            let history = history(&mut conn, document, "law", Some(*position)).await.unwrap();
            let current: Vec<&str> =
                history.events.iter().filter(|event| event.is_current).map(|event| event.source_ref.as_str()).collect();
            assert_eq!(current, ["annotation:1000"]);
            let counted: Vec<_> =
                history.events.iter().filter(|event| event.counted_as_of == Some(true)).map(|event| &event.value).collect();
            assert_eq!(counted, [&[expected.to_owned()]]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_with_the_id_and_time_of_a_stored_one_but_another_value_is_reported() {
    with_database(|pool| async move {
        let with = |law: Value| {
            let mut one = task(1);
            one["annotations"] = json!([annotation(1001, TIME, &[("law", "Malta"), ("kind", "Sale")])]);
            one["annotations"][0]["result"][0]["value"]["choices"] = law;
            file(&[one])
        };
        import(&pool, with(json!(["Malta", "Gozo"]))).await.unwrap();
        let report = import(&pool, with(json!(["Gozo", "Malta"]))).await.unwrap();
        assert!(report.notes.is_empty(), "values are sets: {:?}", report.notes);

        let report = import(&pool, with(json!(["Norway"]))).await.unwrap();
        assert_eq!((report.events_created, report.notes.len()), (0, 1), "{report:?}");
        assert!(report.notes[0].reason.contains("the stored value was kept") && report.notes[0].reason.contains("mirror"), "{report:?}");
        assert_eq!((report.notes[0].count, report.notes[0].examples.as_slice()), (1, &["task 1, annotation 1001, law".to_owned()][..]));
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Malta", "Gozo"]), "NEW", 1));

        let mut options = ImportOptions::new("test");
        options.mirror = true;
        let report = import_with(&pool, with(json!(["Norway"])), &options).await.unwrap();
        assert!(report.notes.is_empty() && report.reviews_retracted == 1, "{report:?}");
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Norway"]), "NEW", 2));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_arrival_decided_are_derived_again_by_the_migration() {
    with_database(|pool| async move {
        import(&pool, fixture("a.json")).await.unwrap();
        // as an older version stored them
        for statement in [
            "UPDATE annotations a SET accepted_value = e.value, event_position = e.position
             FROM annotation_events e
             WHERE e.document_id = a.document_id AND e.field = a.field AND e.source_ref IN ('annotation:81', 'annotation:99')",
        ] {
            assert_eq!(sqlx::raw_sql(statement).execute(&pool).await.unwrap().rows_affected(), 2);
        }
        assert_eq!(state(&pool, "802", "kind").await.1, Some(vec!["older-id".to_owned()]));
        sqlx::raw_sql(include_str!("../../../../../../migrations/0022_equal_times.up.sql")).execute(&pool).await.unwrap();
        for task in ["801", "802", "803"] {
            assert_eq!(state(&pool, task, "kind").await.1, Some(vec!["newer-id".to_owned()]), "{task}");
        }
        let wrong = "SELECT count(*) FROM annotations a JOIN annotation_events e ON e.position = a.event_position WHERE e.value <> a.accepted_value";
        assert_eq!(count(&pool, wrong).await, 0);
    })
    .await;
}
