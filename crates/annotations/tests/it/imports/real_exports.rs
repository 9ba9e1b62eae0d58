//! Real contracts and exports of a real Label Studio, if the files are available.

use std::path::{Path, PathBuf};

use aprendiz_annotations::import::{ImportOptions, ImportReport, StatusCounts};
use sqlx::PgPool;

use crate::database::{contents, count, import, import_with, is, state, with_database};

pub(crate) fn data(name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            println!("skipped: {} does not exist", path.display());
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_contracts_have_the_expected_statuses() {
    let Some(export) = data("cuad/export.json.gz") else {
        return;
    };
    with_database(|pool| async move {
        let report = import(&pool, export.clone()).await.unwrap();
        let counts = |ok, corrected, new, rejected, missing| StatusCounts { ok, corrected, new, rejected, missing, unreviewed: 0 };
        assert_eq!(report.fields["contract_type"], counts(330, 52, 18, 0, 0));
        assert_eq!(report.fields["governing_law"], counts(229, 50, 63, 4, 54));
        assert_eq!(report.fields["agreement_date"], counts(192, 42, 133, 10, 23));
        assert_eq!(report.fields["document_name"], counts(127, 54, 219, 0, 0));
        assert_eq!((report.tasks, report.documents_created, report.quarantined, report.events_created), (400, 400, 0, 3600));
        // tasks 9 and 10 have the same text
        let same: bool = sqlx::query_scalar(
            "SELECT count(DISTINCT s.group_key) = 1 FROM document_splits s JOIN documents d ON d.id = s.document_id WHERE d.task_id IN ('9', '10')",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert!(same);
        // 302 lies within 303, 491 within 492; 302-303-304 is a chain. All 18 pairs of the folder's README, and no split is crossed
        let near = "SELECT count(*) FROM near_duplicates n JOIN document_sketches a ON a.sketch_id = n.sketch_id
                    JOIN document_sketches b ON b.sketch_id = n.other_id WHERE a.document_id < b.document_id";
        // equal texts share a sketch and are no pair
        assert_eq!(count(&pool, near).await, 18 - 1);
        let crossed = "SELECT count(*) FROM near_duplicates n JOIN document_sketches a ON a.sketch_id = n.sketch_id
                       JOIN document_sketches b ON b.sketch_id = n.other_id
                       JOIN document_splits x ON x.document_id = a.document_id JOIN document_splits y ON y.document_id = b.document_id
                       WHERE x.split <> y.split AND 'excluded' NOT IN (x.split, y.split)";
        assert_eq!(count(&pool, crossed).await, 0);
        let splits: Vec<(String, String)> = sqlx::query_as(
            "SELECT d.task_id, s.split::text FROM document_splits s JOIN documents d ON d.id = s.document_id
             WHERE d.task_id IN ('9', '10', '302', '303', '491', '492') ORDER BY d.task_id::int",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        for pair in splits.chunks(2) {
            assert_eq!(pair[0].1, pair[1].1, "{splits:?}");
        }
        let before = contents(&pool).await;
        assert_eq!(import(&pool, export).await.unwrap().events_created, 0);
        assert!(before == contents(&pool).await, "the same file twice changes nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_a_real_label_studio_are_imported() {
    let (Some(direct), Some(snapshot), Some(json_min)) =
        (data("label-studio/export-direct.json.gz"), data("label-studio/export-snapshot.json.gz"), data("label-studio/export-min.json.gz"))
    else {
        return;
    };
    with_database(|pool| async move {
        let short =
            |report: &ImportReport| (report.documents_created, report.documents_unchanged, report.events_created, report.quarantined);
        let first = import(&pool, direct).await.unwrap();
        // 39 of 40 tasks have a review, task 1 two; nine fields each
        assert_eq!(short(&first), (40, 0, 360, 0));
        for (warning, part) in first.warnings.iter().zip(["1 document repeats the text", "only ids"]) {
            assert!(warning.contains(part), "{:?}", first.warnings);
        }
        assert_eq!(first.warnings.len(), 2, "{:?}", first.warnings);
        let second = import(&pool, snapshot).await.unwrap();
        assert_eq!(short(&second), (0, 40, 0, 0), "users are numbers in one export and objects in the other");
        // a newer model had looked at task 1
        assert_eq!(state(&pool, "1", "contract_type").await, is(Some(&["Agency"]), Some(&["Consulting"]), "CORRECTED", 2));
        assert_eq!(state(&pool, "1", "document_name").await, is(Some(&["CONSULTING AGREEMENT"]), Some(&[]), "REJECTED", 2));
        assert_eq!(state(&pool, "5", "contract_type").await, is(Some(&["Reseller"]), None, "UNREVIEWED", 1));
        let before = contents(&pool).await;
        let mut options = ImportOptions::new("test");
        options.project = Some("1".to_owned());
        let third = import_with(&pool, json_min, &options).await.unwrap();
        // one element for each annotation, and one for the task that has none
        assert_eq!((third.tasks, short(&third)), (41, (0, 40, 0, 0)), "{third:?}");
        assert!(before == contents(&pool).await, "JSON_MIN has nothing that the other formats do not have");
    })
    .await;
}

/// Accepted values by task and field.
async fn accepted(pool: &PgPool) -> Vec<(String, String, Option<Vec<String>>)> {
    sqlx::query_as(
        "SELECT d.task_id, a.field, a.accepted_value FROM annotations a JOIN documents d ON d.id = a.document_id
         WHERE a.accepted_value IS NOT NULL ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_export_format_yields_the_same_accepted_values() {
    let mut known: Option<Vec<_>> = None;
    for name in ["direct", "snapshot", "min"] {
        let Some(export) = data(&format!("label-studio/export-{name}.json.gz")) else {
            return;
        };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        with_database(async move |pool| {
            let mut options = ImportOptions::new("test");
            options.project = Some("1".to_owned());
            let report = import_with(&pool, export, &options).await.unwrap();
            assert_eq!((report.documents_created, report.events_created, report.quarantined), (40, 360, 0), "{name}");
            // a skipped annotation on task 3, a draft on task 4: JSON_MIN knows neither
            let expected = if name == "min" { (0, 0) } else { (1, 1) };
            assert_eq!((report.annotations_cancelled, report.drafts_ignored), expected, "{name}");
            assert!(report.unknown_keys.is_empty(), "keys of Label Studio are known: {:?}", report.unknown_keys);
            let count =
                |status: &StatusCounts| [status.ok, status.corrected, status.new, status.rejected, status.missing, status.unreviewed];
            let counts = count(&report.fields["contract_type"]);
            match name {
                "snapshot" => assert_eq!((counts.iter().sum::<i64>(), counts[5]), (40, 1), "{counts:?}"),
                _ => assert_eq!(counts, [0, 0, 39, 0, 0, 0], "without predictions every value is new: {name}"),
            }
            // the annotation that was made later, and updated, wins over the imported one
            let (_, value, _, _) = state(&pool, "1", "contract_type").await;
            assert_eq!(value.as_deref(), Some(&["Consulting".to_owned()][..]));
            let (_, gone, _, _) = state(&pool, "1", "document_name").await;
            assert_eq!(gone.as_deref(), Some(&[][..]));
            sender.send(accepted(&pool).await).unwrap();
        })
        .await;
        let found = receiver.await.unwrap();
        assert_eq!(found.len(), 39 * 9);
        match &known {
            None => known = Some(found),
            Some(known) => assert_eq!(*known, found, "{name}"),
        }
    }
}
