//! Exports of Label Studio before 1.0, where annotations are called `completions`.

use serde_json::json;

use crate::reading::{fixture, read, read_tasks, reviewed, values};

#[test]
fn completions_are_read_as_annotations() {
    let found = read(&fixture("completions-export/export.json"));
    assert_eq!(found.summary.quarantined, 0, "{:?}", found.summary.quarantined_tasks);
    assert_eq!((found.value("1", "law"), found.value("2", "law")), (values(&["Malta"]), values(&["Norway"])));
    let review = &found.task("1").reviews[0];
    assert_eq!((review.source_ref.as_str(), review.occurred_at.timestamp()), ("annotation:1001", 1_609_789_590));
    for id in ["3", "4", "5"] {
        assert!(found.task(id).reviews.is_empty(), "{id} was skipped or not answered");
    }
    assert_eq!(found.summary.ignored.cancelled, 2);
    assert!(
        found.tasks.iter().all(|task| !task.metadata.contains("Malta") && !task.metadata.contains("completions")),
        "answers are no metadata"
    );
    assert!(found.has_note(&["4 ×", "before 1.0", "read as annotations", "task 1, completions"]), "{:?}", found.notes());
}

#[test]
fn completions_beside_empty_annotations_are_read() {
    let mut task = reviewed(1);
    task["completions"] = task["annotations"].take();
    for annotations in [json!([]), json!(null)] {
        task["annotations"] = annotations;
        assert_eq!(read_tasks(&[task.clone()]).value("1", "law"), values(&["Malta"]));
    }
}

#[test]
fn completions_beside_annotations_are_reported() {
    let mut task = reviewed(1);
    task["completions"] = json!([{"id": 1, "created_at": 1_609_789_590, "result": []}]);
    let found = read_tasks(&[task]);
    assert_eq!(found.value("1", "law"), values(&["Malta"]));
    assert!(found.has_note(&["`completions` beside `annotations` were not read", "task 1"]), "{:?}", found.notes());
}

#[test]
fn keys_that_look_like_annotations_are_reported() {
    for key in ["annotation", "Annotations", "result", "Completions", "Predictions"] {
        let mut task = reviewed(1);
        let annotations = task["annotations"].take();
        task[key] = annotations;
        let found = read_tasks(&[task]);
        assert!(found.task("1").reviews.is_empty());
        assert!(found.has_note(&[&format!("the key `{key}` of the task is not read"), "task 1"]), "{key}: {:?}", found.notes());
    }
    let mut task = reviewed(1);
    (task["result"], task["annotation"]) = (json!("fine"), json!([]));
    assert!(read_tasks(&[task]).notes().is_empty(), "a text or an empty list holds no reviews");
}
