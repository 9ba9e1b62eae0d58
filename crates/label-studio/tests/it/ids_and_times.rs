//! Tasks as scripts write them: without ids and times, or with times in other forms.

use serde_json::{Value, json};

use crate::reading::{fixture, read, read_tasks, reviewed, values};

#[test]
fn all_reasons_of_a_task_without_ids_are_given_together() {
    let found = read(&fixture("basic-json-without-ids/export.json"));
    assert_eq!(found.ids(), ["605", "606"]);
    assert_eq!((found.value("605", "law"), found.value("606", "law")), (values(&["Malta"]), values(&["Malta"])));
    assert_eq!(found.task("605").reviews[0].occurred_at, found.task("606").reviews[0].occurred_at);
    for index in [0, 1] {
        let reason = found.reason(index);
        for part in [
            "the task has no id",
            "the annotation at index 0: it has no id",
            "the annotation at index 0: it has neither updated_at nor created_at",
        ] {
            assert!(reason.contains(part), "{index}: {reason}");
        }
    }
    assert!(found.reason(2).contains("it has no id: add") && found.reason(2).contains("neither"), "{}", found.reason(2));
    assert!(found.reason(3).starts_with("annotation 61: it has neither updated_at nor created_at: add"), "{}", found.reason(3));
    assert!(found.reason(6).starts_with("the task has no `data` object but a `text`"), "{}", found.reason(6));
    let last = found.reason(7);
    assert!(last.contains("the task has no id") && last.contains("no `data` object but a `text`"), "{last}");
}

#[test]
fn times_of_scripts_and_databases_are_read() {
    for time in [
        json!("2025-03-02 10:00:00"),
        json!("2025-03-02 10:00:00.000000"),
        json!("2025-03-02T10:00Z"),
        json!("2025-03-02T12:00:00+0200"),
        json!("Sun, 02 Mar 2025 10:00:00 GMT"),
        json!(1_740_909_600),
        json!(1_740_909_600.0),
        json!(1_740_909_600_000_u64),
        json!("1740909600"),
    ] {
        let mut task = reviewed(1);
        task["annotations"][0]["updated_at"] = time.clone();
        let found = read_tasks(&[task]);
        assert_eq!(found.task("1").reviews[0].occurred_at.timestamp(), 1_740_909_600, "{time}");
    }
    let mut task = reviewed(1);
    (task["annotations"][0]["updated_at"], task["annotations"][0]["created_at"]) = (json!(""), json!("2025-03-02"));
    assert_eq!(read_tasks(&[task]).task("1").reviews[0].occurred_at.timestamp(), 1_740_873_600);
}

#[test]
fn a_time_that_is_none_is_named_with_its_annotation() {
    for time in [json!("02/03/2025 10:00"), json!(20_250_302), json!(12), json!(true), json!({}), json!("yesterday")] {
        let mut task = reviewed(1);
        task["annotations"][0]["updated_at"] = time.clone();
        let found = read_tasks(&[task]);
        assert!(found.reason(0).starts_with("annotation 10: ") && found.reason(0).contains(" time"), "{time}: {}", found.reason(0));
    }
    let mut task = reviewed(1);
    task["created_at"] = json!("yesterday");
    let found = read_tasks(&[task]);
    assert_eq!(found.value("1", "law"), values(&["Malta"]), "the time of the task is only used for predictions without one");
    assert!(found.has_note(&["`created_at` of the task was left out", "task 1"]), "{:?}", found.notes());
}

#[test]
fn every_part_that_is_missing_is_named() {
    for (task, reasons) in [
        (json!({}), vec!["no id", "no `data` object"]),
        (json!({"id": 1.5, "project": [], "data": {}}), vec!["the id is neither", "the project is neither", "no text at `data.text`"]),
        (json!({"data": 5, "annotations": {}}), vec!["no id", "`data` is not an object", "`annotations` is not a list"]),
        (
            json!({"data": {"text": " "}, "annotations": [{"id": 1}, {"id": 2, "updated_at": "x"}]}),
            vec!["no id", "text is empty", "annotation 1: ", "annotation 2: \"x\" is not a time"],
        ),
        (json!([1]), vec!["not an object"]),
        (Value::Null, vec!["not an object"]),
    ] {
        let found = read_tasks(&[task.clone(), reviewed(9)]);
        assert_eq!(found.ids(), ["9"]);
        for part in reasons {
            assert!(found.reason(0).contains(part), "{task}: {part}: {}", found.reason(0));
        }
    }
}
