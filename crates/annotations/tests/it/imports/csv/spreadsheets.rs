//! Review files that passed through a data frame or a spreadsheet.

use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare};
use aprendiz_annotations::import::legacy_csv::{LegacyCsvReport, score};
use sqlx::PgPool;

use crate::database::{count, import, is, state, with_database};
use crate::imports::csv::legacy_csv::{csv, csv_with, options};
use crate::task_builders::{file, task};

const PANDAS_EXPORT: &str = include_str!("../../../fixtures/cases/review-csv-from-pandas/export.json");
const PANDAS: &str = include_str!("../../../fixtures/cases/review-csv-from-pandas/review.csv");
const EXCEL_EXPORT: &str = include_str!("../../../fixtures/cases/review-csv-from-excel/export.json");
const ANSI: &[u8] = include_bytes!("../../../fixtures/cases/review-csv-from-excel/ansi.csv");
const ANSI_HEADER: &[u8] = include_bytes!("../../../fixtures/cases/review-csv-from-excel/ansi-header.csv");
const UTF16: &[u8] = include_bytes!("../../../fixtures/cases/review-csv-from-excel/utf16-without-mark.csv");
const MARK_AND_TAB: &[u8] = include_bytes!("../../../fixtures/cases/review-csv-from-excel/utf8-mark-and-tab.csv");
const MAC: &[u8] = include_bytes!("../../../fixtures/cases/review-csv-from-excel/mac-line-ends.csv");
const DECIMAL_ID: &str = include_str!("../../../fixtures/cases/review-csv-from-excel/decimal-id.csv");

async fn csv71(pool: &PgPool, bytes: impl Into<Vec<u8>>) -> LegacyCsvReport {
    let mut options = options();
    options.project = Some("71".to_owned());
    csv_with(pool, bytes, &options).await.unwrap()
}

fn has_warning(report: &LegacyCsvReport, part: &str) -> bool {
    report.warnings.iter().any(|warning| warning.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_file_from_pandas_is_read_as_it_was_meant() {
    with_database(|pool| async move {
        import(&pool, PANDAS_EXPORT).await.unwrap();
        let report = csv71(&pool, PANDAS).await;
        assert_eq!((report.rows, report.rows_matched, report.quarantined), (6, 5, 1), "{report:?}");
        assert!(report.quarantined_rows[0].task_index == 4 && report.quarantined_rows[0].reason.contains("loan_x.pdf"), "{report:?}");
        assert_eq!(state(&pool, "1301", "law").await, is(Some(&["Malta"]), Some(&["Malta"]), "OK", 1));
        assert_eq!(state(&pool, "1301", "pages").await.1.unwrap(), ["12"]);
        assert_eq!(state(&pool, "1302", "law").await, is(Some(&["NA"]), Some(&["NA"]), "OK", 1), "Namibia");
        assert_eq!(state(&pool, "1303", "law").await, is(Some(&["Sweden"]), Some(&["Norway"]), "CORRECTED", 1));
        assert_eq!(state(&pool, "1304", "law").await.1.unwrap(), ["Malta"]);
        assert_eq!(state(&pool, "1304", "pages").await.1.unwrap(), ["7"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE field = 'pages'").await, 2, "nan and <NA> are no values");
        let words = ["nan", "None", "<NA>", "NaT"];
        let stored: Vec<Vec<String>> =
            sqlx::query_scalar("SELECT value FROM annotation_events UNION SELECT value FROM extractions").fetch_all(&pool).await.unwrap();
        assert!(!stored.iter().flatten().any(|value| words.contains(&value.as_str())), "{stored:?}");
        assert!(has_warning(&report, "`1301.0` as `1301`") && has_warning(&report, "`nan`") && has_warning(&report, "`NaT`"), "{report:?}");
        assert!(report.unknown_statuses.is_empty(), "{report:?}");
    })
    .await;
}

#[test]
fn a_score_of_a_file_from_pandas_does_not_count_missing_values() {
    let scored = score(PANDAS.as_bytes(), 1 << 20).unwrap();
    let law = &scored.fields["Law"];
    assert_eq!((law.rows, law.labelled, law.correct, law.predicted), (6, 4, 3, 5));
    assert!(scored.warnings[0].contains("word for a missing value"), "{scored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_none_is_no_review_and_declared_words_are_values() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3), task(4)])).await.unwrap();
        let report =
            csv(&pool, "task_id,Law_pred,Law_gold,Law_status\n1,Malta,,None\n2,,,None\n3,Malta,nan,OK\n4,Malta,#REF!,\n").await.unwrap();
        assert_eq!((report.events_created, report.quarantined), (1, 0), "{report:?}");
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Malta"]), None, "UNREVIEWED", 1));
        assert_eq!(state(&pool, "3", "law").await, is(Some(&["Malta"]), Some(&["Malta"]), "OK", 1), "OK accepts the prediction");
        assert_eq!(state(&pool, "4", "law").await, is(Some(&["Malta"]), None, "UNREVIEWED", 1));

        let allowed_values = Some(["None", "Yes"].map(str::to_owned).to_vec());
        let definition =
            FieldDefinition { kind: FieldKind::Categorical, cardinality: Cardinality::One, allowed_values, normalization: None };
        let mut conn = pool.acquire().await.unwrap();
        declare(&mut conn, "risk", &definition, None, "test").await.unwrap();
        csv(&pool, "task_id,Risk_gold\n1,None\n2,nan\n").await.unwrap();
        assert_eq!(state(&pool, "1", "risk").await.1.unwrap(), ["None"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE field = 'risk'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_another_encoding_is_refused_as_a_whole_with_its_name() {
    with_database(|pool| async move {
        import(&pool, EXCEL_EXPORT).await.unwrap();
        for (bytes, guess) in [(ANSI, "Windows-1252"), (ANSI_HEADER, "Windows-1252"), (UTF16, "UTF-16")] {
            let error = csv(&pool, bytes).await.unwrap_err();
            assert_eq!(error.code(), "not_text");
            let text = error.to_string();
            assert!(text.contains("nothing was imported") && text.contains(guess) && text.contains("CSV UTF-8"), "{text}");
            assert_eq!(score(bytes, 1 << 20).unwrap_err().code(), "not_text");
        }
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_row_of_a_utf8_file_costs_only_itself() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3)])).await.unwrap();
        let mut bytes = "task_id,Law_gold\n1,São Tomé\n".as_bytes().to_vec();
        bytes.extend(b"2,S\xe3o Paulo\n3,Malta\n");
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!((report.events_created, report.quarantined), (2, 1), "{report:?}");
        assert!(report.quarantined_rows[0].reason.contains("not UTF-8"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_tabs_and_old_line_ends_are_read() {
    for bytes in [MARK_AND_TAB, MAC] {
        with_database(move |pool| async move {
            import(&pool, EXCEL_EXPORT).await.unwrap();
            let report = csv71(&pool, bytes).await;
            assert_eq!((report.events_created, report.quarantined), (4, 0), "{report:?}");
            assert_eq!(state(&pool, "1402", "law").await.1.unwrap(), ["Brasil – São Paulo"]);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_excel_are_read_where_they_are_exact() {
    with_database(|pool| async move {
        import(&pool, EXCEL_EXPORT).await.unwrap();
        let report = csv71(&pool, DECIMAL_ID).await;
        assert_eq!((report.rows_matched, report.quarantined), (3, 0), "{report:?}");
        for task in ["1401", "1402", "1403"] {
            assert_eq!(state(&pool, task, "law").await.1.unwrap(), ["Malta"], "{task}");
        }
        assert!(has_warning(&report, "3 ids"), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_lost_digits_never_merge_documents() {
    with_database(|pool| async move {
        let file = "ID;Law_gold;text\n2,02503E+12;Malta;first contract\n2,02503E+12;Norway;second contract\n1.30E+03;Chile;third contract\n'1402;Peru;fourth contract\n";
        let report = csv(&pool, file).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (1, 3), "{report:?}");
        assert!(report.quarantined_rows.iter().all(|row| row.reason.contains("lost its last digits")), "{report:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM documents WHERE task_id = '1402'").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_one_id_and_several_texts_are_not_one_document() {
    with_database(|pool| async move {
        let report =
            csv(&pool, "id,Law_gold,text\n5,Malta,first contract\n5,Norway,second contract\n5,Chile,first contract\n").await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (1, 1), "{report:?}");
        assert!(report.quarantined_rows[0].task_index == 2 && report.quarantined_rows[0].reason.contains("another text"), "{report:?}");
        assert_eq!(state(&pool, "5", "law").await.1.unwrap(), ["Chile"]);
        let report = csv(&pool, "id,Law_gold,text\n5,Peru,quite another contract\n").await.unwrap();
        assert!(has_warning(&report, "1 row has another text than its document"), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_exactly_as_written_takes_precedence() {
    with_database(|pool| async move {
        let mut decimal = task(1);
        decimal["id"] = "1301.0".into();
        let mut whole = task(2);
        whole["id"] = "1301".into();
        import(&pool, file(&[decimal, whole])).await.unwrap();
        csv(&pool, "task_id,Law_gold\n1301.0,Malta\n").await.unwrap();
        assert_eq!(state(&pool, "1301.0", "law").await.1.unwrap(), ["Malta"]);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn formulas_of_text_are_texts_and_errors_of_excel_are_no_values() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3), task(4), task(5)])).await.unwrap();
        let report = csv(&pool, "task_id,Law_gold\n1,=\"Malta\"\n2,#N/A\n3,#REF!\n4,#NOME?\n5,######\n").await.unwrap();
        assert_eq!((report.events_created, report.quarantined), (1, 0), "{report:?}");
        assert_eq!(state(&pool, "1", "law").await.1.unwrap(), ["Malta"]);
        assert!(has_warning(&report, "4 cells"), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_numbers_of_a_review_file_are_equal() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3)])).await.unwrap();
        let report = csv(&pool, "task_id,Pages_pred,Pages_gold,Pages_status\n1,12.0,12,\n2,1e3,1000,OK\n3,7,8,\n").await.unwrap();
        assert_eq!((report.fields["pages"].ok, report.fields["pages"].corrected), (2, 1), "{report:?}");
        assert!(!has_warning(&report, "contradicts"), "{report:?}");
    })
    .await;
}
