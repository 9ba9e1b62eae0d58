//! A task that is no JSON is read if it has one meaning. Any other costs only itself, as long as its brackets match.

use crate::reading::{fixture, read, values as values_of};

#[test]
fn nan_is_read_as_null_and_the_note_names_task_and_key() {
    let found = read(&fixture("nan-literal/nan.json"));
    assert_eq!((found.ids(), found.summary.quarantined), (vec!["1001", "1002", "1003"], 0));
    assert!(found.has_note(&["NaN is not JSON: write null", "task 1002, `predictions[0].score`"]), "{:?}", found.notes());
    assert!(found.has_note(&["Infinity is not JSON: write null", "task 1003, `data.pages`"]), "{:?}", found.notes());
    assert_eq!(found.task("1002").predictions[0].values["kind"].score, None);
    assert!(found.task("1003").metadata.contains("\"pages\":null"), "{}", found.task("1003").metadata);
    let found = read(&fixture("nan-literal/nan-only-last.json"));
    assert_eq!(found.summary.quarantined, 0);
    assert!(found.has_note(&["Infinity is not JSON: write null"]), "{:?}", found.notes());
    let found = read(&fixture("nan-literal/null-instead.json"));
    assert_eq!((found.ids(), found.summary.quarantined), (vec!["1001", "1002", "1003"], 0));
    assert_eq!(found.task("1002").predictions[0].values["kind"].score, None);
}

#[test]
fn a_literal_in_an_answer_is_no_answer() {
    let task = |id: u64, value: &str| {
        format!(
            r#"{{"id":{id},"data":{{"text":"text {id}"}},"annotations":[{{"id":{id}0,"updated_at":"2025-03-02T10:00:00Z","was_cancelled":False,
               "result":[{{"type":"choices","from_name":"law","value":{value}}},
                         {{"type":"number","from_name":"pages","value":{{"number":12}}}}]}}]}}"#
        )
    };
    let values = [r#"{"choices":[NaN]}"#, r#"{"choices":["Malta",None]}"#, "NaN", r#"{"choices":["NaN"]}"#];
    let tasks: Vec<String> = (1..).zip(values).map(|(id, value)| task(id, value)).collect();
    let found = read(format!("[{}]", tasks.join(",")).as_bytes());
    assert_eq!(found.ids(), ["1", "2", "3", "4"]);
    for (id, expected) in [("1", None), ("2", values_of(&["Malta"])), ("3", None), ("4", values_of(&["NaN"]))] {
        assert_eq!(found.value(id, "law"), expected, "{id}");
        assert_eq!(found.value(id, "pages"), values_of(&["12"]), "{id}");
    }
    assert!(found.has_note(&["False is not JSON: write false"]));
}

#[test]
fn what_has_one_meaning_is_read() {
    for (bad, reason) in [
        (r#"{"id":9,"data":{"text":"a","x":-Infinity}}"#, "`data.x`"),
        (r#"{"id":9,"data":{"text":"a","x":None}}"#, "None is not JSON: write null"),
        (r#"{"id":9,"data":{"text":"a","x":undefined}}"#, "undefined is not JSON: write null"),
        (r#"{"id":9,"data":{"text":"a"},"is_labeled":False}"#, "False is not JSON: write false"),
        ("{\"id\":9,\"data\":{\"text\":\"a\tb\"}}", "a tab stands in a string"),
        ("{\"id\":9,\"data\":{\"text\":\"a\nb\"}}", "a line break stands in a string"),
        ("{\"id\":9,\"data\":{\"text\":\"a\u{1}b\"}}", "a control character stands in a string"),
        (
            r#"{"id":9,"data":{"text":"a"},"annotations":[{"id":1,"updated_at":"2025-03-02","lead_time":NaN}]}"#,
            "`annotations[0].lead_time`",
        ),
    ] {
        let found = read(format!("[{bad}]").as_bytes());
        assert_eq!(found.ids(), ["9"], "{bad} {:?}", found.summary.quarantined_tasks);
        assert!(found.has_note(&[reason, "task 9"]), "{bad} {:?}", found.notes());
    }
    let found = read(b"[{\"id\":9,\"data\":{\"text\":\"one\r\ntwo\"}}]");
    assert_eq!(found.task("9").text, "one\r\ntwo");
}

#[test]
fn one_bad_task_of_four_costs_only_itself() {
    let good = |id: u64| format!(r#"{{"id":{id},"data":{{"text":"text {id}"}}}}"#);
    for (bad, reason) in [
        (r#"{"id":09,"data":{"text":"a"}}"#, "`id`: 09 is not a JSON number"),
        (r#"{"id":9,"data":{"text":"\x41"}}"#, "`data.text`: \\x is no escape sequence"),
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
