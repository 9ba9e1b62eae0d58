//! Predicted and accepted values in the forms of several tools: equal ones are OK, and what only looks alike is named.

use serde_json::{Value, json};

use crate::database::{import, state, with_database};
use crate::imports::csv::legacy_csv::csv;
use crate::task_builders::{file, task};

fn item(control: &str, field: &str, value: &Value) -> Value {
    let key = if control == "textarea" { "text" } else { control };
    json!({"type": control, "from_name": field, "to_name": "text", "value": {key: value}})
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_values_are_ok_whatever_wrote_them() {
    with_database(|pool| async move {
        let cases = [
            ("number", json!(12), json!(12.0), "OK"),
            ("number", json!("1e3"), json!(1000), "OK"),
            ("number", json!("-0"), json!(0), "OK"),
            ("number", json!(0.300_000_000_000_000_04), json!("0.3"), "OK"),
            ("number", json!("1.234,56"), json!(1234.56), "CORRECTED"),
            ("rating", json!("4"), json!(4.0), "OK"),
            ("datetime", json!("2025-03-02T00:00"), json!("2025-03-02"), "OK"),
            ("datetime", json!("2025-03-02 00:00:00"), json!("2025-03-02T00:00:00"), "OK"),
            ("datetime", json!("2025-03-02"), json!("2025-03-03"), "CORRECTED"),
            ("choices", json!(["Goia\u{301}s"]), json!(["Goiás"]), "OK"),
            ("choices", json!(["New  York"]), json!(["New\u{a0}York"]), "OK"),
            ("choices", json!([["Law", "Lease"]]), json!(["Law / Lease"]), "OK"),
            ("choices", json!(["b", "a"]), json!(["a", "b"]), "OK"),
            ("choices", json!(["yes"]), json!(["Yes"]), "CORRECTED"),
            ("choices", json!(["❤"]), json!(["❤\u{fe0f}"]), "CORRECTED"),
            ("textarea", json!(["12.0"]), json!(["12"]), "OK"),
            ("textarea", json!(["Norvik  Trading\nAS"]), json!(["Norvik Trading AS"]), "OK"),
            ("textarea", json!(["02/03/2025"]), json!(["2025-03-02"]), "CORRECTED"),
            ("textarea", json!(["0012"]), json!(["12 "]), "OK"),
            ("taxonomy", json!([["Lei", "Locac\u{327}a\u{303}o"]]), json!([["Lei", "Locação"]]), "OK"),
        ];
        let mut tasks = Vec::new();
        for (number, (control, predicted, accepted, _)) in (1..).zip(&cases) {
            let mut task = task(number);
            let field = format!("f{number}");
            task["predictions"] = json!([{"id": number, "created_at": "2024-01-01", "result": [item(control, &field, predicted)]}]);
            task["annotations"] = json!([{"id": number, "updated_at": "2024-01-02", "result": [item(control, &field, accepted)]}]);
            // every field in a project of its own, so that no review covers the others
            task["project"] = json!(number);
            tasks.push(task);
        }
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(report.quarantined, 0, "{report:?}");
        for (number, (_, predicted, accepted, status)) in (1..).zip(&cases) {
            let found = state(&pool, &number.to_string(), &format!("f{number}")).await;
            assert_eq!(found.2, *status, "{predicted} {accepted}: {found:?}");
        }
        let alike: Vec<&String> = report.warnings.iter().filter(|warning| warning.contains("look alike")).collect();
        assert!(alike.len() == 2 && alike.iter().any(|warning| warning.contains("`Yes`, `yes`")), "{:?}", report.warnings);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_texts_only_says_so() {
    with_database(|pool| async move {
        let bare = |id: u64| json!({"id": id, "data": {"text": format!("Contract number {id} of the archive.")}});
        let says = |report: &aprendiz_annotations::import::ImportReport| {
            report.warnings.iter().any(|warning| warning.contains("no task of the file has annotations"))
        };
        assert!(says(&import(&pool, file(&[bare(1), bare(2)])).await.unwrap()));
        assert!(!says(&import(&pool, file(&[bare(3), task(4)])).await.unwrap()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_document_that_contradict_each_other_are_reported() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3)])).await.unwrap();
        let report = csv(&pool, "task_id,Law_gold\n1,Malta\n1,Oslo\n2,Malta\n2,Malta\n3,Rome\n3,Ro\u{200b}me\n").await.unwrap();
        assert!(report.warnings.iter().any(|warning| warning.starts_with("2 fields of documents have different values")), "{report:?}");
        assert_eq!(state(&pool, "1", "law").await.1.unwrap(), ["Oslo"]);
        // rows of different times do not contradict each other
        let report = csv(&pool, "task_id,Kind_gold,reviewed_at\n1,a,2025-01-02\n1,b,2025-01-01\n").await.unwrap();
        assert!(!report.warnings.iter().any(|warning| warning.contains("different values in several rows")), "{report:?}");
        assert_eq!(state(&pool, "1", "kind").await.1.unwrap(), ["a"]);
    })
    .await;
}
