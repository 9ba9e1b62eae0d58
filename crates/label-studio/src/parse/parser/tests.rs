//! Tests of the task parser.

use serde_json::{Value, json};

use super::*;

fn parse(task: &Value) -> Result<ParsedTask, QuarantinedTask> {
    Parser::new(&ReadOptions::default()).parse(0, &task.to_string())
}

fn task() -> Value {
    json!({
        "id": 7, "project": 3, "file_upload": "all.json", "meta": {"batch": 2},
        "data": {"text": "The law of Texas.", "title": "t", "source_file": "a.txt"},
        "annotations": [{"id": 1, "completed_by": {"id": 9, "email": "a@example.org"}, "updated_at": "2024-01-02T03:04:05.1234567Z",
            "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["Texas"]}}]}],
        "predictions": [4, {"id": 5, "score": 0.5, "model_version": "v1", "created_at": "2024-01-01T00:00:00Z", "result": []}],
    })
}

#[test]
fn a_valid_task_is_parsed_completely() {
    let parsed = parse(&task()).unwrap();
    assert_eq!((parsed.project.as_str(), parsed.task_id.as_str(), parsed.file_name.as_deref()), ("3", "7", Some("a.txt")));
    assert_eq!(parsed.metadata, r#"{"meta":{"batch":2},"title":"t"}"#);
    assert_eq!(parsed.reviews[0].source_ref, "annotation:1");
    assert_eq!(parsed.reviews[0].reviewer.as_deref(), Some("9"));
    assert_eq!(parsed.reviews[0].occurred_at.timestamp_subsec_nanos(), 123_456_000, "cut to microseconds");
    assert_eq!(parsed.predictions.len(), 1);
}

#[test]
fn an_invalid_task_has_a_reason_and_keeps_its_id() {
    let with = |pointer: &str, value: Value| {
        let mut task = task();
        *task.pointer_mut(pointer).unwrap() = value;
        task
    };
    for (task, why) in [
        (json!(5), "not an object"),
        (json!({"id": 7, "text": "flat"}), "JSON_MIN"),
        (json!({"annotation_id": 1, "annotator": 1, "id": 7, "text": "flat"}), "order"),
        (with("/id", json!(null)), "no id"),
        (with("/id", json!(1.5)), "whole number"),
        (with("/data/text", json!("  \n")), "empty"),
        (with("/data/text", json!(5)), "not a string"),
        (with("/data/text", json!("a\u{0}b")), "NUL"),
        (with("/data/text", json!("x".repeat((10 << 20) + 1))), "bytes"),
        (with("/annotations/0/id", json!(null)), "no id"),
        (with("/annotations/0/updated_at", json!("yesterday")), "not a time"),
        (with("/annotations/0/result", json!({})), "`result` is not a list"),
    ] {
        let bad = parse(&task).unwrap_err();
        assert!(bad.reason.contains(why), "{why}: {}", bad.reason);
    }
    assert_eq!(parse(&with("/data/text", json!(5))).unwrap_err().task_id.as_deref(), Some("7"));
}

#[test]
fn a_bad_model_version_costs_only_the_prediction() {
    let mut task = task();
    task["predictions"][1]["model_version"] = json!("v".repeat(201));
    let options = ReadOptions::default();
    let mut parser = Parser::new(&options);
    let parsed = parser.parse(0, &task.to_string()).unwrap();
    assert_eq!((parsed.reviews.len(), parsed.predictions.len()), (1, 0));
    let notes: Vec<String> = parser.into_findings().notes.into_groups().iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.contains("model_version") && note.contains("task 7, prediction 5")), "{notes:?}");
}

#[test]
fn cancelled_annotations_do_not_count() {
    let mut skipped = task();
    skipped["annotations"][0]["was_cancelled"] = json!(true);
    assert!(parse(&skipped).unwrap().reviews.is_empty());
}

#[test]
fn of_predictions_with_equal_times_the_greater_id_is_later() {
    let mut many = task();
    let prediction = |id: u64, version: &str| json!({"id": id, "model_version": version, "created_at": "2024-01-01T00:00:00Z"});
    many["predictions"] = json!([prediction(10, "ten"), prediction(9, "nine")]);
    let predictions = parse(&many).unwrap().predictions;
    assert_eq!(predictions[1].extractor_version, "ten");
    assert!(predictions[0].predicted_at < predictions[1].predicted_at);
}

#[test]
fn review_statuses_override_values() {
    let review = |status: &str, gold: &[&str]| {
        let mut task = task();
        task["annotations"][0]["result"] = json!([
            {"type": "textarea", "from_name": "law_gold", "value": {"text": gold}},
            {"type": "choices", "from_name": "law_status", "value": {"choices": [status]}},
        ]);
        task["predictions"][1]["result"] = json!([{"type": "textarea", "from_name": "law", "value": {"text": ["Ohio"]}}]);
        let mut reviews = parse(&task).unwrap().reviews;
        let review = reviews.remove(0);
        (review.values["law"].value(), !review.unresolved.is_empty())
    };
    assert_eq!(review("OK", &[]), (vec!["Ohio".to_owned()], false));
    assert_eq!(review("REJECTED", &["Ohio"]), (vec![], false));
    assert_eq!(review("CORRECTED", &["Texas"]), (vec!["Texas".to_owned()], false));
    assert_eq!(review("CORRECTED", &[]), (vec![], true));
}

#[test]
fn scores_outside_of_0_to_1_are_ignored() {
    let mut scored = task();
    scored["predictions"] =
        json!([{"id": 1, "score": 7.5, "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["x"]}}]}]);
    let options = ReadOptions::default();
    let mut parser = Parser::new(&options);
    assert_eq!(parser.parse(0, &scored.to_string()).unwrap().predictions[0].values["law"].score, None);
    assert_eq!(parser.into_findings().ignored.scores, 1);
}
