//! Imports of legacy review files.

use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare};
use aprendiz_annotations::import::ImportOptions;
use aprendiz_annotations::import::legacy_csv::{LegacyCsvError, LegacyCsvOptions, LegacyCsvReport, import_legacy_csv};
use aprendiz_annotations::{Case, Normalization, SplitRatios};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::database::{contents, count, import, import_with, is, state, with_database};
use crate::task_builders::{file, prediction, reviewed, task};

pub(crate) fn options() -> LegacyCsvOptions {
    LegacyCsvOptions {
        actor: "test".to_owned(),
        file_name: Some("review.csv".to_owned()),
        project: None,
        reviewed_at: "2023-01-01T00:00:00Z".parse().unwrap(),
        ratios: SplitRatios::default(),
        max_bytes: 1 << 30,
    }
}

pub(crate) async fn csv(pool: &PgPool, bytes: impl Into<Vec<u8>>) -> Result<LegacyCsvReport, LegacyCsvError> {
    csv_with(pool, bytes, &options()).await
}

pub(crate) async fn csv_with(
    pool: &PgPool,
    bytes: impl Into<Vec<u8>>,
    options: &LegacyCsvOptions,
) -> Result<LegacyCsvReport, LegacyCsvError> {
    let mut conn = pool.acquire().await.unwrap();
    import_legacy_csv(&mut conn, std::io::Cursor::new(bytes.into()), options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_legacy_file_is_imported_once() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3)])).await.unwrap();
        let bytes = "\u{feff}sep=;\r\n\
            ID;Governing Law_pred;Governing Law_gold;Governing Law_status;Assinatura_pred;Assinatura_gold\r\n\
            1;Texas;;OK;2020-01-31;2020-01-31\r\n\
            2;Texas;Ohio;Corrigido;;2021-02-28\r\n\
            3;Texas;;rejeitado;;\r\n\
            99;x;y;OK;;\r\n";
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!((report.rows, report.rows_matched, report.documents_created, report.quarantined), (4, 3, 0, 1), "{report:?}");
        assert_eq!((report.events_created, report.predictions_stored, report.delimiter), (5, 6, ';'));
        assert_eq!(report.columns["governing_law"], "Governing Law");
        assert!(report.quarantined_rows[0].task_index == 4 && report.quarantined_rows[0].reason.contains("no document `99`"), "{report:?}");
        let kinds: Vec<(&str, &str)> = report.new_fields.iter().map(|field| (field.name.as_str(), field.kind.as_str())).collect();
        assert_eq!(kinds, [("assinatura", "date"), ("governing_law", "categorical")]);
        assert_eq!(state(&pool, "1", "governing_law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));
        assert_eq!(state(&pool, "2", "governing_law").await, is(Some(&["Texas"]), Some(&["Ohio"]), "CORRECTED", 1));
        assert_eq!(state(&pool, "3", "governing_law").await, is(Some(&["Texas"]), Some(&[]), "REJECTED", 1));
        assert_eq!(state(&pool, "2", "assinatura").await, is(Some(&[]), Some(&["2021-02-28"]), "NEW", 1));
        assert_eq!(state(&pool, "3", "assinatura").await, is(Some(&[]), None, "UNREVIEWED", 1));
        assert_eq!((report.fields["governing_law"].ok, report.fields["governing_law"].rejected), (1, 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE source = 'legacy-csv' AND actor = 'test'").await, 5);
        assert_eq!(count(&pool, "SELECT count(*) FROM imports WHERE source = 'legacy-csv'").await, 1);

        let before = contents(&pool).await;
        let again = csv(&pool, bytes).await.unwrap();
        assert_eq!((again.events_created, again.predictions_stored), (0, 0));
        assert!(before == contents(&pool).await, "the same file again changes nothing");
        let mut touched = options();
        touched.reviewed_at = "2023-06-01T00:00:00Z".parse().unwrap();
        assert_eq!(csv_with(&pool, bytes, &touched).await.unwrap().events_created, 0, "nor with another default time");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_a_text_creates_its_document() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await.unwrap();
        let bytes = "arquivo,texto,Law_gold,Law_status,pages\n\
            a/b/new.pdf,\"Agreement, number 1\nunder the law of Texas.\",Ohio,,3\n\
            other.pdf,An agreement about nothing else.,,missing,\n\
            other.pdf,An agreement about nothing else.,Utah,new,\n\
            ,Words of a text without a name.,Iowa,,\n";
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!((report.documents_created, report.rows_repeated, report.quarantined), (3, 1, 0), "{report:?}");
        assert_eq!(state(&pool, "a/b/new.pdf", "law").await, is(None, Some(&["Ohio"]), "NEW", 1));
        assert_eq!(state(&pool, "other.pdf", "law").await, is(None, Some(&["Utah"]), "NEW", 1), "the later row counts");
        assert_eq!(
            count(&pool, "SELECT count(*) FROM annotation_events WHERE review_status = 'MISSING'").await,
            1,
            "the earlier event is kept"
        );
        let metadata =
            "SELECT count(*) FROM documents WHERE source = 'legacy-csv' AND project = 'legacy' AND metadata = '{\"pages\": \"3\"}'";
        assert_eq!(count(&pool, metadata).await, 1);
        let splits = "SELECT count(DISTINCT s.group_key) FROM document_splits s JOIN documents d ON d.id = s.document_id
                      WHERE d.task_id IN ('1', 'a/b/new.pdf')";
        assert_eq!(count(&pool, splits).await, 1, "it is a near-duplicate of an existing document");
        assert_eq!(count(&pool, "SELECT count(*) FROM document_splits").await, 4);
        assert_eq!(csv(&pool, bytes).await.unwrap().documents_created, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_found_by_id_or_name_unless_they_are_ambiguous() {
    with_database(|pool| async move {
        let named = |id: u64, name: &str| {
            let mut task = task(id);
            task["data"]["source_file"] = name.into();
            task
        };
        import(&pool, file(&[named(1, "a.pdf"), named(2, "twice.pdf"), named(3, "twice.pdf")])).await.unwrap();
        let mut north = ImportOptions::new("test");
        north.project = Some("north".to_owned());
        import_with(&pool, file(&[named(1, "c.pdf")]), &north).await.unwrap();
        let id: String = sqlx::query_scalar("SELECT id::text FROM documents WHERE file_name = 'c.pdf'").fetch_one(&pool).await.unwrap();

        let bytes = format!(
            "document_id,task_id,file,project,Law_gold\n\
             {id},,,,by id\n\
             ,,C:\\scans\\a.pdf,,by name\n\
             ,2,twice.pdf,,by task\n\
             ,,twice.pdf,,two names\n\
             ,1,,,two tasks\n\
             ,1,,north,again\n\
             ,,,,none\n"
        );
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!((report.rows_matched, report.quarantined, report.rows_repeated), (4, 3, 1), "{report:?}");
        let reasons: Vec<(u64, &str)> = report.quarantined_rows.iter().map(|row| (row.task_index, row.reason.as_str())).collect();
        assert!(reasons[0].0 == 4 && reasons[0].1.contains("2 documents are called `twice.pdf`"), "{reasons:?}");
        assert!(reasons[1].0 == 5 && reasons[1].1.contains("2 documents"), "{reasons:?}");
        assert!(reasons[2].0 == 7 && reasons[2].1.contains("which document"), "{reasons:?}");
        assert_eq!(state(&pool, "2", "law").await.1, Some(vec!["by task".to_owned()]));
        let again: Vec<String> = sqlx::query_scalar(
            "SELECT accepted_value FROM annotations a JOIN documents d ON d.id = a.document_id WHERE d.project = 'north'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(again, ["again"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn later_reviews_and_predictions_take_precedence() {
    with_database(|pool| async move {
        let mut full = reviewed(1, &[("law", "Texas")]);
        full["predictions"] = serde_json::json!([prediction(1, "v9", "2024-01-01T00:00:00Z", &[("law", "Texas")])]);
        import(&pool, file(&[full])).await.unwrap();
        let report = csv(&pool, "id,Law_pred,Law_gold\n1,Ohio,Ohio\n").await.unwrap();
        assert_eq!((report.events_created, report.predictions_stored), (1, 1));
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 1));

        let report = csv(&pool, "id,Law_gold,Reviewer,reviewed_at\n1,Utah,ana,2025-01-01T00:00:00Z\n").await.unwrap();
        assert_eq!(report.events_created, 1);
        let row: (String, DateTime<Utc>) = sqlx::query_as("SELECT reviewer, occurred_at FROM annotations").fetch_one(&pool).await.unwrap();
        assert_eq!(row.0, "ana");
        assert_eq!(row.1.timestamp(), "2025-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp());
        assert_eq!(state(&pool, "1", "law").await.1, Some(vec!["Utah".to_owned()]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_statuses_are_reported_and_contradictions_are_counted() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1), task(2), task(3)])).await.unwrap();
        let report = csv(&pool, "id|Law_pred|Law_gold|Law_status\n1|a|b|ask Maria\n2|a|b|OK\n3|||CORRECTED\n").await.unwrap();
        assert_eq!(report.unknown_statuses["ask Maria"], 1);
        assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
        assert_eq!(state(&pool, "1", "law").await.2, "CORRECTED");
        assert_eq!(state(&pool, "2", "law").await.2, "CORRECTED", "the values decide");
        assert_eq!(state(&pool, "3", "law").await.2, "UNREVIEWED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_files_end_in_an_error_or_in_the_quarantine() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1)])).await.unwrap();
        let before = contents(&pool).await;
        let head = b"id,Law_gold\n".to_vec();
        let with = |rest: &[u8]| [head.as_slice(), rest].concat();
        for (bytes, code) in [
            (b"".to_vec(), "bad_header"),
            (b"id,name\n1,x\n".to_vec(), "bad_header"),
            (b"Law_gold\nx\n".to_vec(), "bad_header"),
            (b",".repeat(1_000_000), "bad_header"),
            (b"\xff\xfei\0d\0".to_vec(), "not_text"),
            (b"PK\x03\x04".to_vec(), "not_text"),
            (b"id,L\xe9i_gold\n".to_vec(), "not_text"),
            (b"x".repeat(2 << 20), "too_large"),
            (with(&b"y".repeat(20 << 20)), "too_large"),
        ] {
            let error = csv(&pool, bytes).await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
        let mut small = options();
        small.max_bytes = 1000;
        assert_eq!(csv_with(&pool, with(&b"1,x\n".repeat(100_000)), &small).await.unwrap_err().code(), "too_large");
        assert!(before == contents(&pool).await);

        let mut rows = head.clone();
        rows.extend(b"1,a\0b\n1,\xff\xfe\n1\n1,x,y\n,x\n");
        rows.extend(b",".repeat(1_000_000));
        rows.extend(format!("\n{},x\n1,{}\n1,good\n1,\"not closed\n1,lost\n", "i".repeat(201), "v".repeat(10_001)).into_bytes());
        let report = csv(&pool, rows).await.unwrap();
        // a row of delimiters only is blank
        assert_eq!((report.rows, report.quarantined, report.events_created), (10, 8, 2), "{report:?}");
        assert_eq!(state(&pool, "1", "law").await.1, Some(vec!["lost".to_owned()]), "an unclosed quote costs only its own row");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_documents_are_not_restored_by_an_old_file() {
    with_database(|pool| async move {
        import(&pool, file(&[task(1)])).await.unwrap();
        sqlx::query(
            "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
             SELECT id, 'ana', 'request', next_position(), 1, 0, 0 FROM documents",
        )
        .execute(&pool)
        .await
        .unwrap();
        let report = csv(&pool, "id,text,Law_gold\n1,Its text again.,Texas\n").await.unwrap();
        assert!(report.quarantined == 1 && report.quarantined_rows[0].reason.contains("erased"), "{report:?}");
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_normalized_before_they_are_compared() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")]), task(2), task(3)])).await.unwrap();
        let aliases = ["ny", "new york"].map(|alias| (alias.to_owned(), "New York".to_owned())).into_iter().collect();
        let normalization = Normalization { case: Case::Upper, spaces: true, aliases };
        let definition = FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: None,
            normalization: Some(normalization),
        };
        let mut conn = pool.acquire().await.unwrap();
        declare(&mut conn, "law", &definition, None, "ana").await.unwrap();
        let bytes = "ID,Law_pred,Law_gold,Law_status\n2,NY,new  york,OK\n3,  ohio,,OK\n";
        let report = csv(&pool, bytes).await.unwrap();
        assert_eq!(state(&pool, "2", "law").await, is(Some(&["New York"]), Some(&["New York"]), "OK", 1), "{report:?}");
        assert_eq!(state(&pool, "3", "law").await, is(Some(&["OHIO"]), Some(&["OHIO"]), "OK", 1));
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        assert_eq!(csv(&pool, bytes).await.unwrap().events_created, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_the_text_of_another_document_is_quarantined_by_every_import() {
    with_database(|pool| async move {
        let file = b"id,text,Law_gold\n1,first lease,Texas\n1,another contract,Malta\n";
        for round in 0..2 {
            let report = csv(&pool, file.to_vec()).await.unwrap();
            assert_eq!(report.quarantined, 1, "{round}: {report:?}");
            assert_eq!(state(&pool, "1", "law").await.1, Some(vec!["Texas".to_owned()]), "{round}");
        }
    })
    .await;
}
