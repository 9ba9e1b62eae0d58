//! Labels that are easily mistaken for one another, or for no value.

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, reviewed};

const EXPORT: &str = include_str!("../../../fixtures/cases/labels-that-look-like-nothing/export.json");

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_look_like_nothing_stay_labels_and_are_named() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.quarantined, report.fields["answer"].missing), (0, 2), "{report:?}");
        let labels: Vec<String> = sqlx::query_scalar("SELECT DISTINCT unnest(accepted_value) FROM annotations WHERE field = 'answer'")
            .fetch_all(&pool)
            .await
            .unwrap();
        for label in
            ["∅", "null", "None", "NaN", "[]", "no value", "1", "1.0", "01", "YES", "Yes", "yes", "Ye\u{200b}s", "a\tb", "accuracy"]
        {
            assert!(labels.iter().any(|stored| stored == label), "{label:?} {labels:?}");
        }
        let warning =
            |part: &str| report.warnings.iter().find(|warning| warning.contains(part)).unwrap_or_else(|| panic!("{:?}", report.warnings));
        let alike = warning("look alike");
        assert!(["`YES`", "`Yes`", "`yes`", r#"`"Ye\u{200b}s"`"#].iter().all(|label| alike.contains(label)), "{alike}");
        let words = warning("words for a missing value");
        assert!(["`NaN`", "`None`", "`null`"].iter().all(|label| words.contains(label)) && !words.contains("`no value`"), "{words}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_na_is_a_value() {
    with_database(|pool| async move {
        let report = import(&pool, file(&[reviewed(1, &[("country", "NA")]), reviewed(2, &[("country", "Malta")])])).await.unwrap();
        assert_eq!(state(&pool, "1", "country").await, is(None, Some(&["NA"]), "NEW", 1));
        assert!(report.warnings.iter().any(|warning| warning.contains("`NA`") && warning.contains("kept as values")), "{report:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 2);
    })
    .await;
}
