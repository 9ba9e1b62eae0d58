//! A bad part costs only itself: the answers beside it are read, and a note names it.

use serde_json::{Value, json};

use crate::reading::{Found, annotation, choices, read, read_tasks, reviewed, values};

const LATER: &str = "2025-03-02T10:00:00Z";

/// A task whose annotation has these items beside a good answer to `law`.
fn with_items(items: Value) -> Value {
    let mut task = reviewed(1);
    task["annotations"][0]["result"].as_array_mut().unwrap().extend(items.as_array().unwrap().iter().cloned());
    task
}

fn expect_law(found: &Found, what: &str, note: &[&str]) {
    assert_eq!(found.summary.quarantined, 0, "{what}: {:?}", found.summary.quarantined_tasks);
    assert_eq!(found.value("1", "law"), values(&["Malta"]), "{what}");
    assert!(note.is_empty() || found.has_note(note), "{what}: {:?}", found.notes());
}

#[test]
fn a_bad_answer_leaves_its_field_unreviewed_and_the_others_are_read() {
    for (what, item, note) in [
        ("a choice that is true", choices("kind", json!([true])), "does not hold `choices`"),
        ("a choice that is an object", choices("kind", json!([{"value": "lease"}])), "does not hold `choices`"),
        ("a path with an empty step", choices("kind", json!([["Law", null]])), "does not hold `choices`"),
        ("no type", json!({"from_name": "kind", "to_name": "text", "value": {"choices": ["lease"]}}), "has no `type`"),
        (
            "a type that is a list",
            json!({"type": ["choices"], "from_name": "kind", "value": {"choices": ["lease"]}}),
            "the item of `kind` has no `type`",
        ),
        ("a value that is a string", json!({"type": "choices", "from_name": "kind", "value": "lease"}), "has no value"),
        (
            "the value of another control",
            json!({"type": "taxonomy", "from_name": "kind", "value": {"choices": ["lease"]}}),
            "does not hold `taxonomy`",
        ),
        (
            "a number in words",
            json!({"type": "number", "from_name": "kind", "value": {"number": {"parsed": 12}}}),
            "does not hold `number`",
        ),
        ("a rating that is null", json!({"type": "rating", "from_name": "kind", "value": {"rating": null}}), "does not hold `rating`"),
        (
            "a time that is false",
            json!({"type": "datetime", "from_name": "kind", "value": {"datetime": false}}),
            "does not hold `datetime`",
        ),
        ("a text that is null", json!({"type": "textarea", "from_name": "kind", "value": {"text": [null]}}), "does not hold `text`"),
    ] {
        let found = read_tasks(&[with_items(json!([item]))]);
        expect_law(&found, what, &[note, "task 1, annotation 10"]);
        assert_eq!(found.value("1", "kind"), None, "{what}");
    }
}

#[test]
fn a_repeated_key_costs_the_item_that_has_it() {
    let task = |item: &str| {
        format!(
            r#"[{{"id":1,"data":{{"text":"Supply of pumps."}},"annotations":[{{"id":10,"updated_at":"{LATER}","result":[
               {{"type":"choices","from_name":"law","value":{{"choices":["Malta"]}}}},{item}]}}]}}]"#
        )
    };
    for (item, kind) in [
        (r#"{"type":"choices","from_name":"kind","value":{"choices":["lease"]},"value":{"choices":["loan"]}}"#, None),
        (r#"{"type":"choices","type":"textarea","from_name":"kind","value":{"choices":["lease"]}}"#, None),
        (r#"{"type":"choices","from_name":"kind","score":0.5,"score":0.7,"value":{"choices":["lease"]}}"#, values(&["lease"])),
        (r#"{"type":"choices","from_name":"kind","origin":"a","origin":"b","value":{"choices":["lease"]}}"#, values(&["lease"])),
    ] {
        let found = read(task(item).as_bytes());
        expect_law(&found, item, &[]);
        assert_eq!(found.value("1", "kind"), kind, "{item}");
    }
    let head = |head: &str| format!(r#"[{{"id":1,"data":{{"text":"Supply of pumps."}},"annotations":[{{{head},"result":[]}}]}}]"#);
    let found = read(head(&format!(r#""id":10,"id":11,"updated_at":"{LATER}""#)).as_bytes());
    assert!(found.reason(0).contains("`id` occurs twice"), "{}", found.reason(0));
    let found = read(head(&format!(r#""id":10,"updated_at":"{LATER}","updated_at":"2025-03-03T10:00:00Z""#)).as_bytes());
    assert!(found.reason(0).contains("`updated_at` occurs twice"), "{}", found.reason(0));
}

#[test]
fn a_bad_part_of_a_task_leaves_its_annotations() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change, &[&str]); 12] = [
        ("predictions as an object", |task| task["predictions"] = json!({"id": 1}), &["`predictions` is not a list"]),
        ("a prediction without a result", |task| task["predictions"] = json!([{"id": 5, "model_version": "v1"}]), &[]),
        ("a prediction of nothing", |task| task["predictions"] = json!([{"id": 5, "result": []}]), &[]),
        ("a prediction that is a string of JSON", |task| task["predictions"] = json!(["{\"id\": 5}"]), &[]),
        (
            "a time of a prediction in words",
            |task| task["predictions"] = json!([{"id": 5, "created_at": "yesterday", "result": []}]),
            &["a prediction was left out", "yesterday"],
        ),
        (
            "a list as the result of a prediction's item",
            |task| task["predictions"] = json!([{"id": 5, "result": [["choices"]]}]),
            &["an entry of the result is null or no object", "prediction 5"],
        ),
        ("drafts in words", |task| task["drafts"] = json!("none"), &[]),
        ("meta as a list", |task| task["meta"] = json!(["a"]), &["`meta` is not an object"]),
        ("a time of the task in words", |task| task["created_at"] = json!("ontem"), &["`created_at` of the task was left out"]),
        ("a reviewer as a list", |task| task["annotations"][0]["completed_by"] = json!([7]), &["the reviewer was left out"]),
        (
            "an annotation listed twice",
            |task| {
                let copy = task["annotations"][0].clone();
                task["annotations"].as_array_mut().unwrap().push(copy);
            },
            &["an annotation is listed twice", "index 1"],
        ),
        ("a flag in words", |task| task["annotations"][0]["ground_truth"] = json!("yes"), &["`ground_truth` is neither true nor false"]),
    ];
    for (what, change, note) in changes {
        let mut task = reviewed(1);
        change(&mut task);
        expect_law(&read_tasks(&[task]), what, note);
    }
}

#[test]
fn results_under_other_keys_are_named() {
    for (key, value) in [
        ("Annotations", json!([{"id": 1}])),
        ("reviews", json!([{"id": 1, "result": [choices("law", json!(["Malta"]))]}])),
        ("gold", json!({"result": []})),
        ("labels_v2", json!([{"note": "x"}, {"id": 2, "result": []}])),
    ] {
        let mut task = reviewed(1);
        task[key] = value;
        expect_law(&read_tasks(&[task]), key, &[format!("the key `{key}` of the task is not read").as_str()]);
    }
    for (key, value) in [("history", json!([{"result": "ok"}])), ("result_count", json!(3)), ("note", json!("\"result\": []"))] {
        let mut task = reviewed(1);
        task[key] = value;
        assert!(read_tasks(&[task]).notes().is_empty(), "{key}");
    }
}

#[test]
fn a_cancelled_or_superseded_annotation_costs_nothing() {
    for (what, other) in [
        ("a result in words", json!({"id": 9, "updated_at": "2025-03-01T10:00:00Z", "result": "none"})),
        ("an item without a name", annotation(9, "2025-03-01T10:00:00Z", json!([{"type": "choices", "value": {"choices": ["x"]}}]))),
        ("a cancelled one without a time", json!({"id": 9, "was_cancelled": true, "result": [null]})),
        ("a cancelled one as 1", json!({"id": 9, "was_cancelled": 1, "result": {}})),
    ] {
        let mut task = reviewed(1);
        task["annotations"].as_array_mut().unwrap().insert(0, other);
        expect_law(&read_tasks(&[task]), what, &[]);
    }
}
