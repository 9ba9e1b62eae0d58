//! Malformed and damaged files are imported or rejected completely, and leave the database consistent.

use std::path::{Path, PathBuf};

use aprendiz_annotations::import::ImportOptions;
use aprendiz_label_studio::{ReadOptions, inspect};
use serde_json::json;

use crate::database::{contents, count, import, import_with, with_database};
use crate::imports::variants::variant;
use crate::task_builders::{file, gzip, reviewed};

/// Error codes of invalid files.
const CODES: [&str; 5] = ["invalid_json", "truncated", "damaged_gzip", "not_an_array", "too_large"];

/// Files found by the fuzzer. Each of them reached code that no other file reached.
#[tokio::test(flavor = "multi_thread")]
async fn the_fuzz_corpus_is_imported_or_rejected_with_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../label-studio/fuzz/corpus/import");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 100, "{}", files.len());
    with_database(|pool| async move {
        let mut stored = 0;
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            match inspect(&bytes[..], &ReadOptions::default()) {
                Ok(found) if found.documents > 0 => {
                    let report = import(&pool, bytes).await.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    assert_eq!(report.tasks, found.tasks, "{}", path.display());
                    stored += 1;
                }
                Ok(found) => assert_eq!(found.quarantined, found.tasks, "{}", path.display()),
                Err(error) => assert!(CODES.contains(&error.code()), "{}: {error}", path.display()),
            }
        }
        assert!(stored > 10, "{stored}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_leave_the_database_consistent() {
    with_database(|pool| async move {
        for number in 20_000..20_250 {
            let rows =
                "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM document_texts) + (SELECT count(*) FROM annotation_events)
                               + (SELECT count(*) FROM annotations) + (SELECT count(*) FROM extractions) + (SELECT count(*) FROM imports)";
            let before = count(&pool, rows).await;
            match import(&pool, variant(number)).await {
                Ok(report) => assert!(report.documents_created + report.quarantined <= report.tasks, "{number}: {report:?}"),
                Err(error) => {
                    assert!(CODES.contains(&error.code()), "{number}: {error}");
                    assert_eq!(count(&pool, rows).await, before, "{number} left something behind");
                }
            }
        }
        // what was imported is consistent
        assert_eq!(
            count(&pool, "SELECT count(*) FROM documents d WHERE NOT EXISTS (SELECT FROM document_texts t WHERE t.document_id = d.id)")
                .await,
            0
        );
        assert_eq!(
            count(&pool, "SELECT count(*) FROM documents d WHERE NOT EXISTS (SELECT FROM document_splits s WHERE s.document_id = d.id)")
                .await,
            0
        );
        let lost = "SELECT count(*) FROM annotation_events e
                    WHERE NOT EXISTS (SELECT FROM annotations a WHERE a.document_id = e.document_id AND a.field = e.field)";
        assert_eq!(count(&pool, lost).await, 0);
        assert!(count(&pool, "SELECT count(*) FROM documents").await > 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_leaves_nothing_behind() {
    with_database(|pool| async move {
        let mut options = ImportOptions::new("test");
        options.limits.total_bytes = 300_000;
        let many: Vec<_> = (1..=1_000).map(|id| reviewed(id, &[("law", "Texas")])).collect();
        let error = import_with(&pool, gzip(&file(&many)), &options).await.unwrap_err();
        assert_eq!(error.code(), "too_large");
        assert!(contents(&pool).await.is_empty());
        let mut deep = json!({});
        for _ in 0..200 {
            deep = json!({"a": deep});
        }
        let mut task = reviewed(1, &[("law", "Texas")]);
        task["data"]["deep"] = deep;
        assert_eq!(import(&pool, file(&[task])).await.unwrap().quarantined, 1, "deeper than the limit of the parser");
    })
    .await;
}
