//! Numbers and ids have one form, whatever wrote them: 12 = 12.0 = "12" = 1.2e1, and all digits are kept.

use serde_json::{Value, json};

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, task};

const EXPORT: &str = include_str!("../../../fixtures/cases/whole-numbers-as-floats/export.json");

fn number_item(name: &str, number: &Value) -> Value {
    json!({"type": "number", "from_name": name, "to_name": "text", "value": {"number": number}})
}

/// A task whose prediction and annotation have these results.
fn compared(id: u64, predicted: &Value, accepted: &Value) -> Value {
    let mut task = task(id);
    task["annotations"] = json!([{"id": 1000 + id, "updated_at": "2024-02-01T00:00:00Z", "result": [accepted]}]);
    task["predictions"] = json!([{"id": id, "model_version": "v1", "created_at": "2024-01-01T00:00:00Z", "result": [predicted]}]);
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_written_as_floats_are_the_same_numbers() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (7, 0), "{report:?}");
        for task in ["1201", "1202"] {
            assert_eq!(state(&pool, task, "pages").await, is(Some(&["12"]), Some(&["12"]), "OK", 1), "{task}");
            assert_eq!(state(&pool, task, "quality").await, is(Some(&["4"]), Some(&["4"]), "OK", 1), "{task}");
        }
        assert_eq!(state(&pool, "1203", "pages").await, is(Some(&["1200000"]), Some(&["1200000"]), "OK", 1));
        // a trace of binary arithmetic, by the rule of canonical numbers
        assert_eq!(state(&pool, "1204", "pages").await, is(Some(&["0.3"]), Some(&["0.3"]), "OK", 1));
        assert_eq!(state(&pool, "1205", "word").await, is(None, Some(&["Invoice"]), "NEW", 1));
        assert_eq!(state(&pool, "1206", "pages").await, is(Some(&["0"]), Some(&["0"]), "OK", 1));
        assert_eq!(state(&pool, "1207", "pages").await, is(None, Some(&["123456789012345678901"]), "NEW", 1));
        let span: Value =
            sqlx::query_scalar("SELECT spans FROM annotations WHERE field = 'word' AND spans IS NOT NULL").fetch_one(&pool).await.unwrap();
        assert_eq!(span, json!([{"start": 0, "end": 7, "text": "Invoice"}]));
        let again = import(&pool, EXPORT).await.unwrap();
        assert_eq!((again.events_created, again.documents_unchanged), (0, 7));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_compared_across_controls_and_notations() {
    with_database(|pool| async move {
        let text = |value: &str| json!({"type": "textarea", "from_name": "n", "to_name": "text", "value": {"text": [value]}});
        let number = |value: Value| number_item("n", &value);
        let raw = |value: &str| number_item("n", &serde_json::from_str(value).unwrap());
        let tasks = [
            compared(1, &text("12"), &number(json!(12.0))),
            compared(2, &text("12.0"), &number(json!(12))),
            compared(3, &text("1.2e1"), &number(json!(12))),
            compared(4, &raw("1e3"), &number(json!(1000))),
            compared(5, &number(json!("12")), &number(json!(12.0))),
            compared(6, &text("-0.0"), &number(json!(0))),
            compared(7, &raw("0.1e-6"), &raw("1E-7")),
            compared(8, &text("0012"), &number(json!(12))),
            compared(9, &number(json!(13)), &number(json!(12))),
            compared(10, &text("twelve"), &number(json!(12))),
        ];
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.fields["n"].ok, report.fields["n"].corrected, report.quarantined), (8, 2, 0), "{report:?}");
        assert_eq!(state(&pool, "10", "n").await, is(Some(&["twelve"]), Some(&["12"]), "CORRECTED", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_with_leading_zeros_stay_texts_and_keep_them() {
    with_database(|pool| async move {
        let text = |value: &str| json!({"type": "textarea", "from_name": "code", "to_name": "text", "value": {"text": [value]}});
        let report =
            import(&pool, file(&[compared(1, &text("0071"), &text("0071")), compared(2, &text("12"), &text("0012"))])).await.unwrap();
        assert_eq!(report.new_fields[0].kind.as_str(), "text");
        assert_eq!(state(&pool, "1", "code").await, is(Some(&["0071"]), Some(&["0071"]), "OK", 1));
        assert_eq!(state(&pool, "2", "code").await, is(Some(&["12"]), Some(&["0012"]), "CORRECTED", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_file_is_compared_by_the_kind_of_the_known_field() {
    with_database(|pool| async move {
        let item = number_item("n", &json!(1000));
        let mut first = task(1);
        first["predictions"] = json!([{"id": 1, "model_version": "v1", "created_at": "2024-01-01T00:00:00Z", "result": [item]}]);
        import(&pool, file(&[first.clone()])).await.unwrap();
        first["annotations"] = json!([{"id": 9, "updated_at": "2024-02-01T00:00:00Z",
            "result": [{"type": "textarea", "from_name": "n", "to_name": "text", "value": {"text": ["1e3"]}}]}]);
        import(&pool, file(&[first])).await.unwrap();
        assert_eq!(state(&pool, "1", "n").await, is(Some(&["1000"]), Some(&["1000"]), "OK", 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_at_midnight_are_dates() {
    with_database(|pool| async move {
        let date = |value: &str| json!({"type": "datetime", "from_name": "signed", "to_name": "text", "value": {"datetime": value}});
        let tasks = [
            compared(1, &date("2025-03-02"), &date("2025-03-02")),
            compared(2, &date("2025-03-02 00:00:00"), &date("2025-03-02")),
            compared(3, &date("2025-3-2"), &date("2025-03-02")),
            compared(4, &date("2025-03-03T00:00:00Z"), &date("2025-03-02")),
        ];
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.fields["signed"].ok, report.fields["signed"].corrected), (3, 1), "{report:?}");
        assert_eq!(state(&pool, "4", "signed").await, is(Some(&["2025-03-03"]), Some(&["2025-03-02"]), "CORRECTED", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_keeps_all_digits_through_import_and_export() {
    with_database(|pool| async move {
        let raw = r#"[{"id": 17.0, "project": 1.0, "data": {"text": "an invoice", "nfe": 35230212345678901234550010000000011000000019,
            "deep": {"list": [123456789012345678901, 0.12345678901234567890]}, "meta": {"n": 98765432109876543210}}, "annotations": []}]"#;
        import(&pool, raw).await.unwrap();
        let query = "SELECT metadata::text FROM documents WHERE task_id = '17' AND project = '1'";
        let metadata: String = sqlx::query_scalar(query).fetch_one(&pool).await.unwrap();
        for digits in
            ["35230212345678901234550010000000011000000019", "123456789012345678901", "0.12345678901234567890", "98765432109876543210"]
        {
            assert!(metadata.contains(digits), "{metadata}");
        }
        assert_eq!(count(&pool, "SELECT count(*) FROM documents").await, 1);
        let again = import(&pool, raw).await.unwrap();
        assert_eq!(again.documents_unchanged, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_lost_digits_is_refused_with_the_cause() {
    with_database(|pool| async move {
        let raw = r#"[{"id": 1.2345678901234567e+20, "data": {"text": "a"}}, {"id": 7.5, "data": {"text": "b"}}, {"id": 123456789012345678901, "data": {"text": "c"}}]"#;
        let report = import(&pool, raw).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (1, 2), "{report:?}");
        assert!(report.quarantined_tasks[0].reason.contains("lost its last digits"), "{report:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM documents WHERE task_id = '123456789012345678901'").await, 1);
    })
    .await;
}
