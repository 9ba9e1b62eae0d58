//! Texts that are only an address.

use aprendiz_annotations::SplitRatios;
use aprendiz_annotations::documents::Metadata;
use aprendiz_annotations::import::{NewDocument, create_document};
use serde_json::json;

use crate::database::{count, import, import_with, with_database};
use crate::task_builders::{file, reviewed};

const EXPORT: &str = include_str!("../../../fixtures/cases/text-is-an-address/export.json");

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_only_an_address_is_refused_with_the_way_out() {
    with_database(|pool| async move {
        let report = import(&pool, EXPORT).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (1, 6));
        assert_eq!(count(&pool, "SELECT count(*) FROM documents WHERE task_id = '310'").await, 1, "it only mentions an address");
        for task in &report.quarantined_tasks {
            assert!(task.reason.contains("only an address") && task.reason.contains("saveTextResult"), "{task:?}");
        }
        assert!(report.quarantine_reasons.len() <= 3, "grouped by kind of address: {:?}", report.quarantine_reasons);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_kinds_of_addresses_are_refused_too_and_another_key_is_the_way_out() {
    with_database(|pool| async move {
        let addresses = [
            "file:///srv/lease.txt",
            "C:\\contracts\\lease 118.docx",
            "\\\\server\\share\\lease.txt",
            "  https://files.example.org/lease_122.txt\n",
            "data:text/plain;base64,TGVhc2U=",
            "abfss://raw@account.dfs.core.windows.net/lease",
            "upload/7/a.txt",
            "lease_118.pdf",
            "https://x.s3.amazonaws.com/a.txt?X-Amz-Signature=0123",
            "s3://bucket/my lease 120.txt",
        ];
        let tasks: Vec<_> = addresses
            .iter()
            .zip(1..)
            .map(|(address, id)| {
                let mut task = reviewed(id, &[("law", "Texas")]);
                task["data"] = json!({"text": address, "content": format!("The lease number {id}")});
                task
            })
            .collect();
        let export = file(&tasks);
        let report = import(&pool, export.clone()).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (0, 10), "{report:?}");
        let mut options = aprendiz_annotations::import::ImportOptions::new("test");
        options.text_key = "content".to_owned();
        let report = import_with(&pool, export, &options).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (10, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_document_is_no_address_either() {
    with_database(|pool| async move {
        let mut conn = pool.acquire().await.unwrap();
        let new = |text: &str| NewDocument {
            source: "api".to_owned(),
            project: "1".to_owned(),
            task_id: "1".to_owned(),
            file_name: None,
            metadata: Metadata::default(),
            text: text.to_owned(),
        };
        let error = create_document(&mut conn, new("s3://contracts/lease_1.txt"), SplitRatios::default()).await.unwrap_err();
        assert!(error.to_string().contains("only an address (a URL)"), "{error}");
        create_document(&mut conn, new("See s3://contracts/lease_1.txt for the terms."), SplitRatios::default()).await.unwrap();
    })
    .await;
}
