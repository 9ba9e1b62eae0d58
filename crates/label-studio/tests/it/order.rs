//! The order of a file decides nothing.

use serde_json::{Value, json};

use crate::reading::{annotation, choices, read_tasks, reviewed, values};

/// What counts of a task: the value of `law` in the review that counts, and the predicted values of the latest prediction.
fn outcome(task: &Value) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let found = read_tasks(std::slice::from_ref(task));
    let predicted = found.task("1").predictions.last().and_then(|prediction| prediction.values.get("law")).map(|value| value.value());
    (found.value("1", "law"), predicted)
}

/// All orders of the entries of a list.
fn orders(items: &[Value]) -> Vec<Vec<Value>> {
    if items.len() < 2 {
        return vec![items.to_vec()];
    }
    let with_first = |first: usize| {
        let mut others = items.to_vec();
        let item = others.remove(first);
        orders(&others).into_iter().map(move |rest| std::iter::once(item.clone()).chain(rest).collect::<Vec<Value>>())
    };
    (0..items.len()).flat_map(with_first).collect()
}

fn law(value: &str) -> Value {
    json!([choices("law", json!([value]))])
}

#[test]
fn annotations_count_by_time_and_id() {
    let same = "2025-03-02T10:00:00Z";
    for (annotations, expected) in [
        (vec![annotation(9, same, law("Oslo")), annotation(10, same, law("Malta"))], "Malta"),
        (vec![annotation(99, same, law("Oslo")), annotation(100, same, law("Malta")), annotation(8, same, law("Rome"))], "Malta"),
        (vec![annotation(1, "2025-03-02T12:00:00+02:00", law("Oslo")), annotation(2, same, law("Malta"))], "Malta"),
        (vec![annotation(1, "2025-03-02 10:00:00", law("Oslo")), annotation(2, "1740909600", law("Malta"))], "Malta"),
        (vec![annotation(1, "2025-03-02T10:00:00.000001Z", law("Malta")), annotation(2, same, law("Oslo"))], "Malta"),
        (vec![annotation(1, "2025-03-02T10:00:00.0000001Z", law("Oslo")), annotation(2, same, law("Malta"))], "Malta"),
        (vec![annotation(7, same, json!([])), annotation(6, same, law("Oslo")), annotation(8, same, law("Malta"))], "Malta"),
    ] {
        for annotations in orders(&annotations) {
            let mut task = reviewed(1);
            task["annotations"] = json!(annotations);
            assert_eq!(outcome(&task).0, values(&[expected]), "{}", task["annotations"]);
        }
    }
    // names sort as texts, the longer one last
    let named = |id: &str, value: &str| json!({"id": id, "updated_at": same, "result": law(value)});
    for annotations in orders(&[named("b", "Oslo"), named("a", "Rome"), named("aa", "Malta")]) {
        let mut task = reviewed(1);
        task["annotations"] = json!(annotations);
        assert_eq!(outcome(&task).0, values(&["Malta"]));
    }
}

#[test]
fn predictions_count_by_time_id_version_and_value() {
    let prediction = |keys: Value, value: &str| {
        let mut prediction = json!({"result": law(value)});
        prediction.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        prediction
    };
    for predictions in [
        vec![prediction(json!({"id": 9}), "Oslo"), prediction(json!({"id": 10}), "Malta")],
        vec![prediction(json!({"model_version": "v1"}), "Oslo"), prediction(json!({"model_version": "v2"}), "Malta")],
        vec![prediction(json!({}), "Rome"), prediction(json!({}), "Malta"), prediction(json!({}), "Oslo")],
        vec![
            prediction(json!({"created_at": "2025-03-02T10:00:00Z"}), "Oslo"),
            prediction(json!({"created_at": "2025-03-02T11:00:00Z"}), "Malta"),
            prediction(json!({}), "Rome"),
        ],
        vec![
            prediction(json!({"id": 5, "created_at": "2025-03-02"}), "Oslo"),
            prediction(json!({"id": 6, "created_at": "2025-03-02T00:00Z"}), "Malta"),
        ],
    ] {
        let outcomes: Vec<_> = orders(&predictions)
            .into_iter()
            .map(|predictions| {
                let mut task = reviewed(1);
                task["predictions"] = json!(predictions);
                outcome(&task).1
            })
            .collect();
        assert!(outcomes[0].is_some() && outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{predictions:?} {outcomes:?}");
    }
}

#[test]
fn items_keys_and_tasks_may_come_in_any_order() {
    let items = [
        choices("law", json!(["Malta"])),
        choices("law_status", json!(["CORRECTED"])),
        json!({"type": "number", "from_name": "pages", "value": {"number": 12}}),
        json!({"id": "r", "type": "labels", "value": {"start": 0, "end": 6, "text": "Supply", "labels": ["heading"]}}),
    ];
    for items in orders(&items) {
        let mut task = reviewed(1);
        task["annotations"][0]["result"] = json!(items);
        let found = read_tasks(&[task]);
        assert_eq!(found.value("1", "law"), values(&["Malta"]));
        assert_eq!(found.value("1", "pages"), values(&["12"]));
        assert_eq!(found.value("1", "heading"), values(&["Supply"]));
        assert!(found.task("1").reviews[0].values["law"].status.is_some());
    }
    for tasks in orders(&[reviewed(1), reviewed(2), reviewed(3)]) {
        let mut ids = read_tasks(&tasks).ids().into_iter().map(str::to_owned).collect::<Vec<_>>();
        ids.sort();
        assert_eq!(ids, ["1", "2", "3"]);
    }
}
