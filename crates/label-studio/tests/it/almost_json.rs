//! A task that is no JSON costs only itself, as long as its brackets match.

use crate::reading::{fixture, read};

#[test]
fn nan_costs_only_its_task_and_the_reason_names_the_key() {
    let found = read(&fixture("nan-literal/nan.json"));
    assert_eq!(found.ids(), ["1001"]);
    assert_eq!(found.reason(1), "`predictions[0].score`: NaN is not JSON: write null");
    assert_eq!(found.reason(2), "`data.pages`: Infinity is not JSON: write null");
    let ids: Vec<_> = found.summary.quarantined_tasks.iter().map(|task| task.task_id.as_deref()).collect();
    assert_eq!(ids, [Some("1002"), Some("1003")]);
    assert!(found.summary.quarantined_tasks[0].json.as_ref().unwrap().contains("NaN"), "kept as it came");

    let found = read(&fixture("nan-literal/nan-only-last.json"));
    assert_eq!((found.ids(), found.summary.quarantined), (vec!["1001"], 1));
    let found = read(&fixture("nan-literal/null-instead.json"));
    assert_eq!((found.ids(), found.summary.quarantined), (vec!["1001", "1002", "1003"], 0));
    assert_eq!(found.task("1002").predictions[0].values["kind"].score, None);
}

#[test]
fn one_bad_task_of_four_costs_only_itself() {
    let good = |id: u64| format!(r#"{{"id":{id},"data":{{"text":"text {id}"}}}}"#);
    for (bad, reason) in [
        (r#"{"id":9,"data":{"text":"a","x":-Infinity}}"#, "`data.x`: -Infinity is not JSON"),
        (r#"{"id":9,"data":{"text":"a","x":None}}"#, "`data.x`: None is not JSON: write null"),
        (r#"{"id":9,"data":{"text":"a","x":undefined}}"#, "`data.x`: undefined is not JSON: write null"),
        (r#"{"id":9,"data":{"text":"a"},"is_labeled":False}"#, "`is_labeled`: False is not JSON: write false"),
        (r#"{"id":09,"data":{"text":"a"}}"#, "`id`: 09 is not a JSON number"),
        (r#"{"id":9,"data":{"text":"\x41"}}"#, "`data.text`: \\x is no escape sequence"),
        ("{\"id\":9,\"data\":{\"text\":\"a\tb\"}}", "`data.text`: a tab stands in a string"),
        ("{\"id\":9,\"data\":{\"text\":\"a\nb\"}}", "`data.text`: a line break stands in a string"),
        ("{\"id\":9,\"data\":{\"text\":\"a\u{1}b\"}}", "`data.text`: a control character stands in a string"),
        (r#"{"id":9,"data":{"text":"a"},"annotations":[{"lead_time":NaN}]}"#, "`annotations[0].lead_time`: NaN is not JSON"),
        (r#"{"id":9,"data":{"text":"a \ud83d"}}"#, "half of a character"),
        (r#"{"id":9,"data":{"text":"a","x":"\udc00"}}"#, "`data.x`: a string has half of a character"),
        (r#"{"id":9,"data":{"text":"a","x":1e999}}"#, "`data.x`: number out of range"),
        (r#"{"id":9,"data":{"text":"a",},}"#, "malformed JSON at byte"),
        (r#"{"id":9 "data":{"text":"a"}}"#, "malformed JSON at byte"),
        (r#"{id:9,'data':{"text":"a"}}"#, "id is not JSON: put text into quotes"),
        ("NaN", "the task: NaN is not JSON"),
    ] {
        let file = format!("[{},{},\n{bad},\n{}]", good(1), good(2), good(3));
        let found = read(file.as_bytes());
        assert_eq!(found.ids(), ["1", "2", "3"], "{bad}");
        let shown = found.reason(2);
        assert!(shown.contains(reason.trim_start_matches("the task: ")), "{bad}: {shown}");
        assert!(!shown.contains(" at line "), "{bad}: {shown}");
    }
}

#[test]
fn further_reasons_of_such_a_task_are_given_too() {
    let found = read(br#"[{"data":{"text":"a","x":NaN,"y":NaN},"annotations":[{"id":7,"score":None}]}]"#);
    let reason = found.reason(0);
    for part in ["`data.x`, `data.y`: NaN", "`annotations[0].score`: None", "the task has no id", "annotation 7: it has neither"] {
        assert!(reason.contains(part), "{reason}");
    }
}
