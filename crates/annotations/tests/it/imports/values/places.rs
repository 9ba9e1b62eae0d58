//! Places whose text or offsets differ from those of the document.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, task};

const BLANKS: &str = include_str!("../../../fixtures/cases/span-text-blanks/export.json");
const CRLF: &str = include_str!("../../../fixtures/cases/crlf-offsets/export.json");
const WINDOWS: &str = "LEASE\r\nLandlord: Harbour Board\r\nTenant: Quarry Holdings\r\nTerm: nine years\r\n";

/// The places of a field, as `start..end text`.
async fn places(pool: &PgPool, task_id: &str, field: &str) -> Vec<String> {
    let spans: Option<Value> = sqlx::query_scalar(
        "SELECT a.spans FROM annotations a JOIN documents d ON d.id = a.document_id WHERE d.task_id = $1 AND a.field = $2",
    )
    .bind(task_id)
    .bind(field)
    .fetch_optional(pool)
    .await
    .unwrap()
    .flatten();
    let spans = spans.unwrap_or_else(|| json!([]));
    spans.as_array().unwrap().iter().map(|span| format!("{}..{} {}", span["start"], span["end"], span["text"].as_str().unwrap())).collect()
}

/// The number of current states of a field of a task: 0 without review and prediction.
async fn states(pool: &PgPool, task_id: &str, field: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM annotations a JOIN documents d ON d.id = a.document_id
         WHERE d.task_id = $1 AND a.field = $2 AND a.review_status <> 'UNREVIEWED'",
    )
    .bind(task_id)
    .bind(field)
    .fetch_one(pool)
    .await
    .unwrap()
}

fn label(field: &str, start: usize, end: usize, text: Option<&str>) -> Value {
    let mut value = json!({"start": start, "end": end, "labels": [field]});
    if let Some(text) = text {
        value["text"] = json!(text);
    }
    json!({"type": "labels", "from_name": "span", "to_name": "text", "value": value})
}

fn choice(field: &str, value: &str) -> Value {
    json!({"type": "choices", "from_name": field, "to_name": "text", "value": {"choices": [value]}})
}

/// A task with this text and one annotation with these items and a choice of `law`.
fn marked(id: u64, text: &str, items: &[Value]) -> Value {
    let mut task = task(id);
    task["data"]["text"] = json!(text);
    let mut result = items.to_vec();
    result.push(choice("law", "Norway"));
    task["annotations"] = json!([{"id": 1000 + id, "completed_by": 1, "updated_at": "2024-02-01T00:00:00Z", "result": result}]);
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_of_a_span_may_have_lost_its_double_blanks() {
    with_database(|pool| async move {
        let report = import(&pool, BLANKS).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (4, 0));
        assert_eq!(places(&pool, "101", "party").await, ["11..29 Norvik  Trading AS"]);
        assert_eq!(places(&pool, "102", "rent").await, ["25..35 12\u{a0}000 EUR"]);
        assert_eq!(places(&pool, "103", "party").await, ["12..34 Quarry\n   Holdings Ltd"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE field = 'law' AND review_status = 'NEW'").await, 4);
        assert_eq!(states(&pool, "104", "party").await, 0, "a wrong place is no answer");
        let note = &report.notes[0];
        assert!(
            note.reason.contains("the text of the place 0..8 is not that of the document") && note.reason.contains("unreviewed"),
            "{note:?}"
        );
        assert_eq!(note.examples, ["task 104, annotation 4, party"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_count_crlf_as_one_are_mapped_and_unverifiable_ones_are_left_out() {
    with_database(|pool| async move {
        let report = import(&pool, CRLF).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (4, 0));
        for id in ["201", "202"] {
            assert_eq!(places(&pool, id, "landlord").await, ["17..30 Harbour Board"], "{id}");
            assert_eq!(places(&pool, id, "tenant").await, ["40..55 Quarry Holdings"], "{id}");
            assert_eq!(places(&pool, id, "term").await, ["63..73 nine years"], "{id}");
        }
        assert_eq!(places(&pool, "203", "landlord").await, ["16..29 Harbour Board"]);
        assert_eq!(places(&pool, "203", "term").await, ["60..70 nine years"]);
        for field in ["landlord", "tenant", "term"] {
            assert_eq!(states(&pool, "204", field).await, 0, "{field}");
        }
        assert_eq!(state(&pool, "204", "kind").await, is(None, Some(&["lease"]), "NEW", 1));
        let note = &report.notes[0];
        assert!(note.count == 3 && note.reason.contains("line ends"), "{note:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reading_applies_to_the_places_without_text() {
    with_database(|pool| async move {
        let emoji = "😀😀 Law of Norway, nine years, 😀";
        let marked_file = "\u{feff}Law of Norway";
        let export = file(&[
            marked(1, WINDOWS, &[label("landlord", 16, 29, Some("Harbour Board")), label("term", 60, 70, None)]),
            marked(2, emoji, &[label("country", 12, 18, Some("Norway")), label("term", 20, 30, None)]),
            marked(3, emoji, &[label("term", 20, 30, None)]),
            marked(4, marked_file, &[label("country", 7, 13, Some("Norway")), label("noun", 0, 3, None)]),
            marked(5, "Acme and Sons\nof Ohio", &[label("party", 0, 4, None), label("state", 17, 21, None)]),
        ]);
        let report = import(&pool, export).await.unwrap();
        assert_eq!(report.quarantined, 0);
        assert_eq!(places(&pool, "1", "term").await, ["63..73 nine years"]);
        assert_eq!(places(&pool, "2", "term").await, ["18..28 nine years"]);
        assert_eq!(states(&pool, "3", "term").await, 0);
        assert_eq!(places(&pool, "4", "noun").await, ["1..4 Law"]);
        assert_eq!(places(&pool, "5", "state").await, ["17..21 Ohio"], "nothing to confuse");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_about_regions_are_checked_like_labels() {
    with_database(|pool| async move {
        let region = |field: &str, start: usize, end: usize, text: Option<&str>| {
            let mut item = choice(field, "Seller");
            item["value"]["start"] = json!(start);
            item["value"]["end"] = json!(end);
            if let Some(text) = text {
                item["value"]["text"] = json!(text);
            }
            item
        };
        let text = "😀 Supplier:  Norvik Trading AS";
        let export = file(&[
            // UTF-16 units, as the text shows
            marked(1, text, &[region("role", 14, 31, Some("Norvik Trading AS"))]),
            // nothing shows how they are counted
            marked(2, text, &[region("role", 14, 30, None)]),
            marked(3, text, &[region("role", 14, 30, Some("Quarry"))]),
            marked(4, WINDOWS, &[label("landlord", 16, 29, Some("Harbour Board")), region("role", 16, 29, None)]),
        ]);
        let report = import(&pool, export).await.unwrap();
        assert_eq!(places(&pool, "1", "role").await, ["13..30 Norvik Trading AS"]);
        for id in ["2", "3"] {
            assert!(places(&pool, id, "role").await.is_empty(), "{id}");
            assert_eq!(state(&pool, id, "role").await, is(None, Some(&["Seller"]), "NEW", 1), "the answer stays");
        }
        assert_eq!(places(&pool, "4", "role").await, ["17..30 Harbour Board"]);
        assert_eq!(report.notes.iter().map(|note| note.count).sum::<u64>(), 2, "{:?}", report.notes);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_place_costs_only_itself() {
    with_database(|pool| async move {
        let text = "Acme and Sons of Ohio";
        let mut superseded = marked(2, text, &[label("party", 0, 4, Some("Acme"))]);
        let older = json!({"id": 1, "updated_at": "2024-01-01T00:00:00Z", "result": [label("party", 0, 4, Some("Sons"))]});
        superseded["annotations"].as_array_mut().unwrap().push(older);
        let mut predicted = marked(3, text, &[label("party", 0, 4, Some("Acme"))]);
        predicted["predictions"] =
            json!([{"id": 5, "model_version": "v", "result": [label("party", 900, 950, None), choice("law", "Norway")]}]);
        let export = file(&[
            marked(
                1,
                text,
                &[label("party", 0, 4, Some("Acme")), label("party", 9, 13, Some("Sons, Ltd")), label("state", 99, 103, Some("Ohio"))],
            ),
            superseded,
            predicted,
        ]);
        let report = import(&pool, export).await.unwrap();
        assert_eq!(report.quarantined, 0);
        assert_eq!(places(&pool, "1", "party").await, ["0..4 Acme"]);
        assert_eq!(states(&pool, "1", "state").await, 0);
        assert_eq!(state(&pool, "2", "party").await, is(None, Some(&["Acme"]), "NEW", 1));
        assert_eq!(
            state(&pool, "3", "party").await,
            is(None, Some(&["Acme"]), "NEW", 1),
            "a model that cannot be checked predicted nothing"
        );
        assert_eq!(state(&pool, "3", "law").await, is(Some(&["Norway"]), Some(&["Norway"]), "OK", 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM fields WHERE name = 'state'").await, 0, "nothing is known about this field");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_and_its_copy_from_a_browser_are_the_same_value() {
    with_database(|pool| async move {
        let text = "Supplier:  Norvik  Trading AS, Goia\u{301}s";
        let exact = [label("party", 11, 29, Some("Norvik  Trading AS")), label("state", 31, 37, Some("Goiás"))];
        let mut task = marked(1, text, &exact);
        task["predictions"] = json!([{"id": 5, "model_version": "v", "result": [
            label("party", 11, 29, Some("Norvik Trading AS")), label("state", 31, 37, Some("Goia\u{301}s"))]}]);
        let mut elsewhere = marked(2, text, &exact);
        // a model without offsets
        elsewhere["predictions"] = json!([{"id": 6, "model_version": "v", "result": [label("party", 0, 17, Some("Norvik Trading AS"))]}]);
        import(&pool, file(&[task, elsewhere])).await.unwrap();
        for id in ["1", "2"] {
            let (predicted, accepted, status, _) = state(&pool, id, "party").await;
            assert_eq!((predicted.as_deref(), status.as_str()), (accepted.as_deref(), "OK"), "{id}");
            assert_eq!(accepted.unwrap(), ["Norvik  Trading AS"]);
        }
        assert_eq!(state(&pool, "1", "state").await, is(Some(&["Goiás"]), Some(&["Goiás"]), "OK", 1));
        assert_eq!(places(&pool, "1", "state").await, ["31..37 Goia\u{301}s"], "as it is in the document");
    })
    .await;
}
