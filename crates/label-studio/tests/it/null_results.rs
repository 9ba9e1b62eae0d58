//! Null and other values of an unexpected type cost only themselves.

use serde_json::{Value, json};

use crate::reading::{annotation, choices, fixture, read, read_tasks, reviewed, values};

#[test]
fn null_results_and_items_cost_only_themselves() {
    let found = read(&fixture("null-results/export.json"));
    assert_eq!(found.summary.quarantined, 0, "{:?}", found.summary.quarantined_tasks);
    // the annotation is empty: the reviewer decided that there is no value
    for id in ["401", "402", "409"] {
        assert_eq!(found.value(id, "law"), values(&[]), "{id}");
    }
    for id in ["403", "405", "406"] {
        assert_eq!(found.value(id, "law"), None, "{id}: the reviewed value is unknown");
    }
    for id in ["404", "408", "410", "411"] {
        assert_eq!(found.value(id, "law"), values(&["Malta"]), "{id}");
    }
    assert!(found.task("407").reviews.is_empty());
    assert!(
        found.has_note(&["the `choices` item of `law` has no value; its field counts as unreviewed", "task 403, annotation 43, law"]),
        "{:?}",
        found.notes()
    );
    assert!(found.has_note(&["2 ×", "does not hold `choices`", "annotation 45, law; task 406, annotation 46, law"]), "{:?}", found.notes());
    assert!(found.has_note(&["an entry of the result is null", "task 404, annotation 44"]), "{:?}", found.notes());
    assert!(found.has_note(&["an entry of `annotations` is null", "task 410, index 0"]), "{:?}", found.notes());
    assert!(found.has_note(&["the newest annotation has no values", "task 409, annotation 49"]), "{:?}", found.notes());
    assert_eq!(found.notes().len(), 5, "{:?}", found.notes());
}

#[test]
fn an_item_that_cannot_be_read_does_not_cost_the_fields_beside_it() {
    for item in [
        json!({"type": "rating", "from_name": "stars", "value": {"rating": null}}),
        json!({"type": "number", "from_name": "pages", "value": {"number": null}}),
        json!({"type": "textarea", "from_name": "note", "value": {"text": null}}),
        json!({"type": "textarea", "from_name": "note", "value": "text"}),
        json!({"type": "choices", "from_name": "kind", "value": {"choices": {"a": 1}}}),
        json!({"type": "choices", "from_name": "kind", "value": [1]}),
        json!({"type": "taxonomy", "from_name": "topic", "value": {"taxonomy": "Law"}}),
    ] {
        let mut task = reviewed(1);
        task["annotations"][0]["result"] = json!([item.clone(), choices("law", json!(["Malta"]))]);
        let found = read_tasks(&[task]);
        let name = item["from_name"].as_str().unwrap();
        assert_eq!(found.value("1", "law"), values(&["Malta"]), "{item}");
        assert_eq!(found.value("1", name), None, "{item}");
        assert!(found.has_note(&[name, "task 1, annotation 10"]), "{item}: {:?}", found.notes());
    }
}

#[test]
fn a_null_in_a_list_of_choices_does_not_cost_the_others() {
    let mut task = reviewed(1);
    task["annotations"][0]["result"] = json!([choices("law", json!([null, "Malta"]))]);
    let found = read_tasks(&[task]);
    assert_eq!(found.value("1", "law"), values(&["Malta"]));
    assert!(found.has_note(&["a value in a list is null", "annotation 10, law"]), "{:?}", found.notes());
}

#[test]
fn a_status_that_cannot_be_read_leaves_its_field_unreviewed() {
    let mut task = reviewed(1);
    task["annotations"][0]["result"] = json!([choices("law", json!(["Malta"])), choices("law_status", Value::Null)]);
    let found = read_tasks(&[task]);
    assert_eq!(found.value("1", "law"), None);
}

#[test]
fn an_item_of_an_unknown_field_costs_the_review() {
    let mut task = reviewed(1);
    task["annotations"][0]["result"] = json!([{"type": "choices", "value": {"choices": ["Malta"]}}]);
    let found = read_tasks(&[task]);
    assert!(found.reason(0).contains("annotation 10: a `choices` item has no from_name"), "{}", found.reason(0));
}

#[test]
fn a_bad_prediction_never_costs_the_review() {
    for (prediction, parts) in [
        (
            json!({"id": 5, "result": [{"type": "choices", "from_name": "law", "value": null}]}),
            ["has no value; it predicts nothing", "prediction 5, law"],
        ),
        (json!({"id": 5, "result": [null]}), ["is null or no object", "prediction 5"]),
        (
            json!({"id": 5, "result": [{"type": "choices", "from_name": "law", "value": {}}]}),
            ["does not hold `choices`", "prediction 5, law"],
        ),
        (json!({"id": 5, "result": {}}), ["`result` is not a list", "prediction 5"]),
        (json!({"id": 5, "result": [], "created_at": "soon"}), ["\"soon\" is not a time", "prediction 5"]),
        (json!({"id": [5], "result": []}), ["the id is neither", "index 0"]),
        (json!({"id": 5, "model_version": "v".repeat(201)}), ["its model_version has more than 200", "prediction 5"]),
        (json!({"id": 5, "score": [1]}), ["`score` of a prediction", "prediction 5"]),
        (json!([]), ["a prediction was left out", "index 0"]),
        (json!(null), ["an entry of `predictions` is null", "index 0"]),
        (json!({"result": [{"type": "labels", "value": {"start": "x", "end": 4, "labels": ["law"]}}]}), ["whole numbers", "index 0, law"]),
    ] {
        let mut task = reviewed(1);
        task["predictions"] = json!([prediction]);
        let found = read_tasks(&[task]);
        assert_eq!(found.value("1", "law"), values(&["Malta"]), "{prediction}");
        assert!(found.has_note(&parts), "{prediction}: {:?}", found.notes());
        assert_eq!(found.summary.ignored.prediction_ids, 0, "{prediction}");
    }
    let mut task = reviewed(1);
    task["predictions"] = json!([3, 4]);
    assert_eq!(read_tasks(&[task]).summary.ignored.prediction_ids, 2);
}

#[test]
fn a_superseded_or_cancelled_annotation_never_costs_the_review() {
    let good = annotation(20, "2025-03-02T10:00:00Z", json!([choices("law", json!(["Malta"]))]));
    let older = |key: &str, value: Value| {
        let mut annotation = annotation(10, "2025-03-01T10:00:00Z", json!([]));
        annotation[key] = value;
        annotation
    };
    let mut many = json!([]);
    for bad in [
        older("result", json!({})),
        older("result", json!([null])),
        older("result", json!([{"type": "choices", "value": {"choices": ["x"]}}])),
        older("result", json!([{"type": "choices", "from_name": "law", "value": null}])),
        older("completed_by", json!([1])),
        older("aprendiz", json!(1)),
        json!({"id": 10, "was_cancelled": true, "result": "x"}),
        json!({"id": [], "skipped": true}),
    ] {
        let mut task = reviewed(1);
        for annotations in [json!([bad, good]), json!([good, bad])] {
            task["annotations"] = annotations;
            assert_eq!(read_tasks(&[task.clone()]).value("1", "law"), values(&["Malta"]), "{bad}");
        }
        many = task;
    }
    // the same as the newest annotation costs the task
    many["annotations"] = json!([good, {"id": 30, "updated_at": "2025-03-03T10:00:00Z", "result": "x"}]);
    let found = read_tasks(&[many]);
    assert!(found.reason(0).contains("annotation 30: `result` is not a list"), "{}", found.reason(0));
}

#[test]
fn flags_may_be_null_or_numbers() {
    let mut task = reviewed(1);
    for key in ["was_cancelled", "ground_truth", "completed_by", "created_at", "lead_time"] {
        task["annotations"][0][key] = Value::Null;
    }
    (task["drafts"], task["meta"], task["created_at"]) = (json!([null]), Value::Null, Value::Null);
    assert_eq!(read_tasks(&[task.clone()]).value("1", "law"), values(&["Malta"]));
    task["annotations"][0]["was_cancelled"] = json!(1);
    assert!(read_tasks(&[task.clone()]).task("1").reviews.is_empty());
    task["annotations"][0]["was_cancelled"] = json!("maybe");
    assert!(read_tasks(&[task]).reason(0).contains("`was_cancelled` is neither true nor false"));
}
