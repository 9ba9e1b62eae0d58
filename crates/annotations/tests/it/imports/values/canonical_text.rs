//! Values in composed and decomposed form (NFC and NFD), and with other white space, are the same values.

use aprendiz_annotation_types::{comparable, same_values};
use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare, get};
use aprendiz_annotations::reviews::{Decision, NewReview, record_review};
use aprendiz_annotations::{Case, Normalization, normalize_values};
use aprendiz_db::Scope;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, prediction, reviewed};

const EXPORT: &str = include_str!("../../../fixtures/cases/15-nfc-nfd-and-marks/export.json");
const COMPOSED: &str = "Goiás";
const DECOMPOSED: &str = "Goia\u{301}s";

#[tokio::test(flavor = "multi_thread")]
async fn composed_and_decomposed_labels_are_one_label() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (60, 0));
        let labels: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT unnest(accepted_value) COLLATE \"C\" FROM annotations WHERE field = 'foro' ORDER BY 1")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert!(labels.iter().filter(|label| comparable(label) == COMPOSED).count() == 1, "{labels:?}");
        assert!(labels.iter().all(|label| comparable(label) == *label), "{labels:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_in_another_form_is_ok() {
    with_database(|pool| async move {
        let pairs = [
            (COMPOSED, DECOMPOSED),
            (DECOMPOSED, COMPOSED),
            ("New York", "New \u{a0}York"),
            ("A\u{30a}", "\u{212b}"),
            ("가", "\u{1100}\u{1161}"),
        ];
        let tasks: Vec<Value> = pairs
            .iter()
            .zip(1..)
            .map(|((predicted, accepted), id)| {
                let mut task = reviewed(id, &[("state", accepted)]);
                task["predictions"] = json!([prediction(id, "v", "2024-01-01T00:00:00Z", &[("state", predicted)])]);
                task
            })
            .collect();
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.fields["state"].ok, report.fields["state"].corrected), (5, 0));
        // the same file again
        assert_eq!(import(&pool, file(&tasks)).await.unwrap().events_created, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_texts_keep_their_white_space_and_are_compared_without_it() {
    with_database(|pool| async move {
        let text = |value: &str| json!([{"type": "textarea", "from_name": "address", "to_name": "text", "value": {"text": [value]}}]);
        let mut task = reviewed(1, &[("law", "Texas")]);
        let answer = &mut task["annotations"][0]["result"];
        answer.as_array_mut().unwrap().extend(text("North Quay 7\n  Oslo").as_array().unwrap().clone());
        task["predictions"] = json!([{"id": 1, "model_version": "v", "result": text("North Quay 7 Oslo")}]);
        import(&pool, file(&[task])).await.unwrap();
        let kept = ["North Quay 7\n  Oslo"];
        assert_eq!(state(&pool, "1", "address").await, is(Some(&kept), Some(&kept), "OK", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_may_write_an_allowed_value_in_any_form() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("state", "Bahia")])])).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let definition = FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: Some(vec![DECOMPOSED.to_owned(), "Bahia".to_owned(), "New York".to_owned()]),
            normalization: None,
        };
        declare(&mut conn, "state", &definition, None, "ana").await.unwrap();
        let stored = get(&mut conn, &Scope::All, "state").await.unwrap().unwrap();
        assert_eq!(stored.allowed_values.unwrap()[0], COMPOSED);
        let version = stored.version;
        let again =
            FieldDefinition { allowed_values: Some(vec![COMPOSED.to_owned(), "Bahia".to_owned(), "New York".to_owned()]), ..definition };
        assert_eq!(declare(&mut conn, "state", &again, None, "ana").await.unwrap().version, version, "the same definition");

        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        for (written, expected) in [(DECOMPOSED, COMPOSED), (COMPOSED, COMPOSED), ("New\u{a0} York", "New York")] {
            let review = NewReview::new(document, "state", Decision::Set(vec![written.to_owned()]), "ana");
            let recorded = record_review(&mut conn, review).await.unwrap();
            assert_eq!(recorded.annotation.accepted_value.unwrap(), [expected], "{written:?}");
        }
        let review = NewReview::new(document, "state", Decision::Set(vec!["Goias".to_owned()]), "ana");
        assert!(record_review(&mut conn, review).await.unwrap_err().to_string().contains("allowed"));
        let review = NewReview::new(document, "state", Decision::Set(vec![COMPOSED.to_owned(), DECOMPOSED.to_owned()]), "ana");
        assert!(record_review(&mut conn, review).await.unwrap_err().to_string().contains("twice"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn normalization_reaches_values_that_older_versions_stored_decomposed() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("state", "Bahia")])])).await.unwrap();
        sqlx::query("UPDATE annotations SET accepted_value = ARRAY[$1]").bind(DECOMPOSED).execute(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let definition = FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: Some(vec![COMPOSED.to_owned()]),
            normalization: Some(Normalization { case: Case::Lower, ..Normalization::default() }),
        };
        declare(&mut conn, "state", &definition, None, "ana").await.unwrap();
        assert_eq!(normalize_values(&mut conn, "state", "ana", false).await.unwrap().reviews, 1);
        assert_eq!(state(&pool, "1", "state").await.1.unwrap(), [COMPOSED]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_migration_repairs_the_status_of_equal_values() {
    with_database(|pool| async move {
        let mut task = reviewed(1, &[("state", COMPOSED)]);
        task["predictions"] = json!([prediction(1, "v", "2024-01-01T00:00:00Z", &[("state", "Bahia")])]);
        import(&pool, file(&[task])).await.unwrap();
        sqlx::query("UPDATE annotations SET predicted_value = ARRAY[$1]").bind(DECOMPOSED).execute(&pool).await.unwrap();
        let migration = include_str!("../../../../../../migrations/0023_comparable_values.up.sql");
        let update = &migration[migration.find("UPDATE annotations").unwrap()..];
        sqlx::raw_sql(sqlx::AssertSqlSafe(update.to_owned())).execute(&pool).await.unwrap();
        assert_eq!(state(&pool, "1", "state").await, is(Some(&[COMPOSED]), Some(&[COMPOSED]), "OK", 2));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE review_status = 'CORRECTED'").await, 1, "the history stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_code_compare_values_by_one_rule() {
    with_database(|pool| async move {
        let texts = [
            "",
            " ",
            "a",
            " a ",
            "a  b",
            "a\tb",
            "a\r\n b",
            "a\u{85}b",
            "a\u{a0}b",
            "a\u{1680}b",
            "a\u{180e}b",
            "a\u{2000}\u{200a}b",
            "a\u{200b}b",
            "a\u{2028}\u{2029}b",
            "a\u{202f}b",
            "a\u{205f}\u{3000}b",
            "a\u{feff}b",
            "\u{1c}a",
            "\u{b}a\u{c}",
            COMPOSED,
            DECOMPOSED,
            "\u{212b}",
            "A\u{30a}",
            "e\u{323}\u{302}",
            "e\u{302}\u{323}",
            "\u{1100}\u{1161}",
            "ﬁ",
            "²",
            "ß",
            "İ",
            "😀",
            "क\u{93c}",
            "\u{958}",
            "\u{344}",
            "\u{2126}",
        ];
        for text in texts {
            let found: String = sqlx::query_scalar("SELECT comparable_value($1)").bind(text).fetch_one(&pool).await.unwrap();
            assert_eq!(found, comparable(text), "{text:?}");
        }
        for (one, other) in
            [(&texts[2..5], &texts[2..4]), (&texts[19..21], &texts[20..21]), (&texts[0..0], &texts[0..0]), (&texts[2..3], &texts[19..20])]
        {
            let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<String>>();
            let (one, other) = (owned(one), owned(other));
            let same: bool = sqlx::query_scalar("SELECT comparable_values($1) = comparable_values($2)")
                .bind(&one)
                .bind(&other)
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(same, same_values(&one, &other), "{one:?} {other:?}");
        }
    })
    .await;
}
