//! Which annotation of a task counts, and what the report says about it.

use serde_json::json;

use crate::reading::{annotation, choices, read_tasks, reviewed, values};

#[test]
fn of_equal_times_the_greatest_id_counts_as_a_number_in_any_order() {
    let law = |id: u64, time: &str, law: &str| annotation(id, time, json!([choices("law", json!([law]))]));
    for (lower, greater) in [(81, 82), (99, 100), (9, 1_000_000), (999_999_999_999, 1_000_000_000_000)] {
        // the same instant in another zone
        let (lower, greater) = (law(lower, "2025-03-03T11:00:00+01:00", "Ohio"), law(greater, "2025-03-03T10:00:00Z", "Malta"));
        for annotations in [json!([lower, greater]), json!([greater, lower])] {
            let mut task = reviewed(1);
            task["annotations"] = annotations;
            let found = read_tasks(&[task]);
            assert_eq!(found.value("1", "law"), values(&["Malta"]));
            assert!(found.has_note(&["several annotations have the same newest time", "task 1, annotation"]), "{:?}", found.notes());
        }
    }
}

#[test]
fn ties_that_decide_nothing_are_not_reported() {
    let empty = |id: u64, time: &str| annotation(id, time, json!([]));
    let mut task = reviewed(1);
    task["annotations"] = json!([
        empty(1, "2025-03-01T10:00:00Z"),
        empty(2, "2025-03-01T10:00:00Z"),
        annotation(3, "2025-03-02T10:00:00Z", json!([choices("law", json!(["Malta"]))])),
    ]);
    assert!(read_tasks(&[task]).notes().is_empty());
}
