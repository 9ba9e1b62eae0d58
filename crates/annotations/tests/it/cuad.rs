//! Real contracts and recordings of a real Label Studio, where they are at hand.

use std::path::{Path, PathBuf};

use annotations::import::{ImportReport, StatusCounts};

use crate::database::{contents, count, import, is, state, with_database};

fn data(name: &str) -> Option<Vec<u8>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            println!("skipped: {} is not there", path.display());
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_contracts_come_out_with_their_known_statuses() {
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
async fn what_a_real_label_studio_exports_is_read() {
    let (Some(direct), Some(snapshot), Some(flat)) =
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
        assert!(first.warnings[0].contains("only ids"), "{:?}", first.warnings);
        let second = import(&pool, snapshot).await.unwrap();
        assert_eq!(short(&second), (0, 40, 0, 0), "users are numbers in one export and objects in the other");
        // a newer model had looked at task 1
        assert_eq!(state(&pool, "1", "contract_type").await, is(Some(&["Agency"]), Some(&["Consulting"]), "CORRECTED", 2));
        assert_eq!(state(&pool, "1", "document_name").await, is(Some(&["CONSULTING AGREEMENT"]), Some(&[]), "REJECTED", 2));
        assert_eq!(state(&pool, "5", "contract_type").await, is(Some(&["Reseller"]), None, "UNREVIEWED", 1));
        let third = import(&pool, flat).await.unwrap();
        assert_eq!((third.documents_created, third.quarantined), (0, third.tasks));
    })
    .await;
}
