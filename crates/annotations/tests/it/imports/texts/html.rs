//! Texts that are HTML, and places that do not count the characters of a text.

use serde_json::{Value, json};

use crate::database::{count, import, is, state, with_database};
use crate::random_text::random_text;
use crate::task_builders::{annotation, file, task};

const EXPORT: &str = include_str!("../../../fixtures/cases/html-places/export.json");

#[tokio::test(flavor = "multi_thread")]
async fn places_in_html_are_named_as_not_read_and_cost_no_answer() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (3, 1));
        for id in ["1101", "1102", "1103"] {
            assert_eq!(state(&pool, id, "kind").await, is(None, Some(&["lease"]), "NEW", 1), "{id}");
            assert_eq!(state(&pool, id, "law").await, is(None, Some(&["Malta"]), "NEW", 1), "{id}");
        }
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 2, "`landlord` is known from nowhere");
        assert_eq!(report.unknown_controls["hypertextlabels"], 1);
        let note = |part: &str| report.notes.iter().find(|note| note.reason.contains(part)).unwrap_or_else(|| panic!("{:?}", report.notes));
        assert_eq!(note("path into HTML").examples, ["task 1102, annotation 112, landlord"]);
        assert_eq!(note("the text is HTML").count, 3);
        assert!(report.quarantined_tasks[0].reason.contains("a list of turns (2)"), "{:?}", report.quarantined_tasks);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_recordings_and_pictures_cost_no_answer() {
    with_database(|pool| async move {
        let labels = |value: Value| json!({"type": "labels", "from_name": "span", "to_name": "text", "value": value});
        let places = [
            labels(json!({"start": 1.5, "end": 3.25, "channel": 0, "labels": ["speech"]})),
            labels(json!({"start": 1, "end": 3, "channel": 0, "labels": ["speech"]})),
            labels(json!({"x": 1, "y": 2, "width": 3, "height": 4, "labels": ["stamp"]})),
            labels(json!({"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 3, "labels": ["party"]})),
            labels(json!({"labels": ["party"]})),
        ];
        let tasks: Vec<Value> = places
            .into_iter()
            .zip(1..)
            .map(|(place, id)| {
                let mut task = task(id);
                task["annotations"] = json!([annotation(100 + id, "2024-02-01T00:00:00Z", &[("law", "Texas")])]);
                task["annotations"][0]["result"].as_array_mut().unwrap().push(place.clone());
                task["predictions"] = json!([{"id": id, "model_version": "v", "result": [place]}]);
                task
            })
            .collect();
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined, report.fields["law"].new), (5, 0, 5), "{report:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 1);
        for (part, count) in [("time in a recording", 2), ("picture or video", 1), ("path into HTML", 1), ("no start and end", 1)] {
            let notes = report.notes.iter().filter(|note| note.reason.contains(part));
            assert_eq!(notes.map(|note| note.count).sum::<u64>(), 2 * count, "{part}: {:?}", report.notes);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn near_duplicates_of_html_go_by_the_rendered_text() {
    with_database(|pool| async move {
        let style: String = (0..40).map(|number| format!(".clause-{number} {{ margin: {number}px auto; color: black; }} ")).collect();
        let page = |text: &str| format!("<html><head><style>{style}</style></head><body class=\"contract\"><p>{text}</p></body></html>");
        let texts: Vec<String> = (0..20).map(|seed| random_text(seed, 60)).collect();
        let mut tasks: Vec<Value> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let mut html = task(1 + index as u64);
            html["data"]["text"] = json!(page(text));
            tasks.push(html);
        }
        // the same text without tags
        let mut plain = task(100);
        plain["data"]["text"] = json!(texts[3]);
        tasks.push(plain);
        import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM near_duplicates").await, 2, "one pair, in both directions");
        let groups = "SELECT count(DISTINCT group_key) FROM document_splits";
        assert_eq!(count(&pool, groups).await, 20);
    })
    .await;
}
