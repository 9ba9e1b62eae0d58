//! Labels of review files that are easily mistaken for one another, or for a missing value.

use crate::database::{count, import, with_database};
use crate::imports::csv::legacy_csv::csv;
use crate::task_builders::{file, task};

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_look_alike_and_words_for_missing_values_are_named() {
    with_database(|pool| async move {
        import(&pool, file(&(1..=16).map(task).collect::<Vec<_>>())).await.unwrap();
        let rows =
            ["Yes", "yes", "YES", "Ye\u{200b}s", "Yes", "yes", "NA", "NA", "none", "none", "Yes\u{fe0f}", "No", "No", "No", "yes", "Yes"];
        let rows: String = (1..).zip(rows).map(|(id, answer)| format!("{id},{answer}\n")).collect();
        let report = csv(&pool, format!("task_id,Answer_gold\n{rows}")).await.unwrap();
        assert_eq!((report.events_created, report.quarantined), (16, 0), "{report:?}");
        let warning =
            |part: &str| report.warnings.iter().find(|warning| warning.contains(part)).unwrap_or_else(|| panic!("{:?}", report.warnings));
        let alike = warning("look alike");
        assert!(["`YES`", "`Yes`", "`yes`", r#"`"Ye\u{200b}s"`"#].iter().all(|label| alike.contains(label)), "{alike}");
        let words = warning("words for a missing value");
        assert!(words.contains("`NA`") && words.contains("`none`"), "{words}");
        assert_eq!(count(&pool, "SELECT count(DISTINCT value) FROM annotation_events").await, 8, "they stay what they are");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn html_texts_of_a_review_file_are_reported() {
    with_database(|pool| async move {
        let report = csv(&pool, "task_id,text,Law_gold\n1,<p>Lease of the <b>quay</b></p>,Malta\n2,Loan,Norway\n").await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (2, 0));
        assert!(report.warnings.iter().any(|warning| warning.starts_with("1 row: the text is HTML")), "{report:?}");
    })
    .await;
}
