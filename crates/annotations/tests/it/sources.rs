//! Sources: two Label Studio servers with the same numbers, and texts that belong to another document.

use aprendiz_annotations::import::{ImportError, ImportOptions, ImportReport};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::{contents, count, import_with, with_database};
use crate::task_builders::{file, reviewed};

/// A contract of about 40 words that shares no long passage with one of another topic.
pub(crate) fn contract(topic: &str, number: u64) -> String {
    let words = (0..40).map(|index| format!("{topic}{}", (number * 7919 + index * index * 31 + index) % 997));
    words.collect::<Vec<String>>().join(" ")
}

/// Reviewed tasks of a server: number, topic of its text and label.
pub(crate) fn server(numbers: std::ops::RangeInclusive<u64>, topic: &str, label: &str) -> Vec<Value> {
    let task = |number| {
        let mut task = reviewed(number, &[("law", label)]);
        task["data"]["text"] = json!(contract(topic, number));
        // the second server was annotated later
        task["annotations"][0]["updated_at"] = json!(if topic == "lease" { "2024-02-01T00:00:00Z" } else { "2024-03-01T00:00:00Z" });
        task
    };
    numbers.map(task).collect()
}

pub(crate) async fn import_from(pool: &PgPool, tasks: &[Value], change: impl FnOnce(&mut ImportOptions)) -> ImportReport {
    try_import_from(pool, tasks, change).await.unwrap()
}

async fn try_import_from(pool: &PgPool, tasks: &[Value], change: impl FnOnce(&mut ImportOptions)) -> Result<ImportReport, ImportError> {
    let mut options = ImportOptions::new("test");
    change(&mut options);
    import_with(pool, file(tasks), &options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_task_with_a_wholly_different_text_is_quarantined() {
    with_database(|pool| async move {
        import_from(&pool, &server(1..=6, "lease", "Texas"), |_| {}).await;
        let before = contents(&pool).await;
        let mut second = server(1..=8, "sponsor", "Ohio");
        // one task is the same, one was edited
        second[4]["data"]["text"] = json!(contract("lease", 5));
        second[5]["data"]["text"] = json!(contract("lease", 6).replacen(' ', " changed ", 1));
        let report = import_from(&pool, &second, |_| {}).await;
        assert_eq!((report.other_documents, report.quarantined, report.documents_created), (4, 4, 2), "{report:?}");
        assert!(report.quarantined_tasks[0].reason.starts_with("other_document: "), "{report:?}");
        assert_eq!(report.quarantine_reasons.len(), 1, "all of them are one reason: {report:?}");
        let warning = report.warnings.iter().find(|warning| warning.contains("another Label Studio?")).expect("a warning");
        assert!(warning.starts_with("4 of 6 known tasks have a wholly different text"), "{warning}");
        let stored =
            count(&pool, "SELECT count(*) FROM document_texts t JOIN documents d ON d.id = t.document_id WHERE d.task_id::int <= 4").await;
        assert_eq!(stored, 4, "no text was replaced");
        assert_ne!(contents(&pool).await, before, "the other tasks were imported");

        let replaced = import_from(&pool, &second, |options| options.replace_texts = true).await;
        assert_eq!((replaced.other_documents, replaced.quarantined, replaced.documents_updated), (0, 0, 4), "{replaced:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_one_template_are_other_documents_among_many_others() {
    with_database(|pool| async move {
        let template = |topic: &str, number| format!("{} {}", contract("template", 1).split_at(180).0, contract(topic, number));
        let tasks = |topic: &str| {
            let mut tasks = server(1..=5, topic, "Texas");
            tasks[4]["data"]["text"] = json!(template(topic, 5));
            tasks
        };
        import_from(&pool, &tasks("lease"), |_| {}).await;
        let alone = import_from(&pool, &tasks("sponsor")[4..], |options| options.dry_run = true).await;
        assert_eq!(alone.other_documents, 0, "the passage is enough for one task: {alone:?}");
        let report = import_from(&pool, &tasks("sponsor"), |_| {}).await;
        assert_eq!(report.other_documents, 5, "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_do_not_share_documents_and_their_names_are_checked() {
    with_database(|pool| async move {
        import_from(&pool, &server(1..=4, "lease", "Texas"), |_| {}).await;
        let second = import_from(&pool, &server(1..=4, "sponsor", "Ohio"), |options| options.source = "second".to_owned()).await;
        assert_eq!((second.documents_created, second.quarantined, second.source.as_deref()), (4, 0, Some("second")), "{second:?}");
        assert_eq!(second.splits.values().sum::<u64>(), 4, "{second:?}");
        let again = import_from(&pool, &server(1..=4, "sponsor", "Ohio"), |options| options.source = "second".to_owned()).await;
        assert_eq!((again.documents_unchanged, again.events_created), (4, 0), "{again:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM imports WHERE source = 'second'").await, 2);
        for source in ["", "a/b", " a", "legacy-csv", &"x".repeat(101)] {
            let error = try_import_from(&pool, &[], |options| options.source = source.to_owned()).await.unwrap_err();
            assert_eq!(error.code(), "invalid_option", "{source:?}: {error}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_and_writes_nothing() {
    with_database(|pool| async move {
        import_from(&pool, &server(1..=3, "lease", "Texas"), |_| {}).await;
        let before = contents(&pool).await;
        let tasks = [server(1..=3, "sponsor", "Ohio"), server(4..=9, "lease", "Texas")].concat();
        let dry = import_from(&pool, &tasks, |options| options.dry_run = true).await;
        assert_eq!((dry.documents_created, dry.other_documents, dry.dry_run), (6, 3, true), "{dry:?}");
        assert_eq!(contents(&pool).await, before);
        assert_eq!(count(&pool, "SELECT count(*) FROM imports").await, 1);
        let real = import_from(&pool, &tasks, |_| {}).await;
        assert_eq!((real.documents_created, real.splits), (dry.documents_created, dry.splits));
    })
    .await;
}
