//! Queries of documents and fields.

use aprendiz_annotations::documents::{self, DocumentFilter};
use aprendiz_annotations::fields::{self, Cardinality, FieldDefinition, FieldKind};
use aprendiz_annotations::{AnnotationsError, ReviewStatus, Split};
use aprendiz_db::Scope;
use serde_json::json;
use uuid::Uuid;

use crate::database::{import, with_database};
use crate::task_builders::{file, prediction, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_gaps_and_no_repetitions() {
    with_database(|pool| async move {
        let mut tasks: Vec<_> = (1..=7).map(task).collect();
        tasks[6]["project"] = json!(2);
        import(&pool, file(&tasks)).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let filter = DocumentFilter { project: Some("1".to_owned()), ..DocumentFilter::default() };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = documents::list(&mut conn, &Scope::All, &filter, after, 4).await.unwrap();
            seen.extend(page.items.into_iter().map(|document| document.task_id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["1", "2", "3", "4", "5", "6"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_its_latest_text_and_its_annotations() {
    with_database(|pool| async move {
        let mut full = reviewed(1, &[("law", "Texas")]);
        full["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("kind", "Sale")])]);
        import(&pool, file(&[full.clone()])).await.unwrap();
        full["data"]["text"] = json!("newer");
        import(&pool, file(&[full])).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let id = documents::list(&mut conn, &Scope::All, &DocumentFilter::default(), None, 10).await.unwrap().items[0].id;
        let shown = documents::get(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((shown.text.as_str(), shown.text_version), ("newer", 2));
        assert!(shown.document.split.is_some());
        let annotations = documents::list_annotations(&mut conn, id).await.unwrap();
        let statuses: Vec<_> = annotations.iter().map(|annotation| (annotation.field.as_str(), annotation.review_status)).collect();
        assert_eq!(statuses, [("kind", ReviewStatus::Rejected), ("law", ReviewStatus::New)]);

        let (unknown, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(documents::unknown_ids(&mut conn, &Scope::All, &[other, id, unknown]).await.unwrap(), [other, unknown]);
        assert!(documents::unknown_ids(&mut conn, &Scope::All, &[id]).await.unwrap().is_empty());
        assert!(documents::get(&mut conn, unknown).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_in_metadata_keep_all_digits_and_never_hide_a_document() {
    with_database(|pool| async move {
        let mut full = task(1);
        full["data"]["largest"] = json!(f64::MAX);
        full["data"]["smallest"] = json!(f64::from_bits(1));
        import(&pool, file(&[full])).await.unwrap();
        let too_large = format!("[{{\"id\": 2, \"project\": 1, \"data\": {{\"text\": \"t\", \"n\": {}}}}}]", "7".repeat(400));
        let report = import(&pool, too_large.into_bytes()).await.unwrap();
        assert_eq!((report.quarantined, report.quarantined_tasks[0].task_id.as_deref()), (1, Some("2")));

        let mut conn = pool.acquire().await.unwrap();
        let listed = documents::list(&mut conn, &Scope::All, &DocumentFilter::default(), None, 10).await.unwrap().items;
        let metadata: serde_json::Value = serde_json::from_str(listed[0].metadata.get()).unwrap();
        assert_eq!((metadata["largest"].as_f64(), metadata["smallest"].as_f64()), (Some(f64::MAX), Some(f64::from_bits(1))));

        // PostgreSQL holds numbers that no program reads as a number
        let digits = "7".repeat(400);
        let statement = "UPDATE documents SET metadata = jsonb_build_object('n', $1::text::numeric)";
        sqlx::query(statement).bind(&digits).execute(&pool).await.unwrap();
        let shown = documents::get(&mut conn, listed[0].id).await.unwrap().unwrap();
        assert_eq!(shown.document.metadata.get(), format!("{{\"n\": {digits}}}"));
        assert!(serde_json::to_string(&shown).unwrap().contains(&digits));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_count_their_reviews_and_can_be_declared() {
    with_database(|pool| async move {
        let mut predicted = task(3);
        predicted["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Ohio")])]);
        let export = file(&[reviewed(1, &[("law", "Texas")]), reviewed(2, &[]), predicted]);
        import(&pool, export.clone()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let law = fields::get(&mut conn, &Scope::All, "law").await.unwrap().unwrap();
        assert_eq!((law.kind, law.declared, law.documents_reviewed), (FieldKind::Categorical, false, 2), "\"no value\" is an answer");
        assert_eq!(fields::list(&mut conn, &Scope::All).await.unwrap(), [law]);

        let definition = FieldDefinition {
            kind: FieldKind::Categorical,
            cardinality: Cardinality::One,
            allowed_values: Some(vec!["Ohio".to_owned()]),
            normalization: None,
        };
        let declared = fields::declare(&mut conn, "law", &definition, None, "ana").await.unwrap();
        assert!(declared.declared && declared.documents_reviewed == 2);
        let signed = FieldDefinition { kind: FieldKind::Date, allowed_values: None, ..definition.clone() };
        fields::declare(&mut conn, "signed", &signed, None, "ana").await.unwrap();
        assert_eq!(fields::list(&mut conn, &Scope::All).await.unwrap().len(), 2);
        assert!(fields::get(&mut conn, &Scope::All, "unknown").await.unwrap().is_none());
        let rejected = fields::declare(&mut conn, "the law", &definition, None, "ana").await.unwrap_err();
        assert!(matches!(rejected, AnnotationsError::InvalidDefinition { .. }), "{rejected}");
        drop(conn);

        let report = import(&pool, export).await.unwrap();
        assert!(report.warnings.iter().any(|warning| warning.contains("allowed values")), "{:?}", report.warnings);
    })
    .await;
}

/// Task ids of all matching documents, page by page.
async fn list_all(conn: &mut sqlx::PgConnection, filter: &DocumentFilter) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = documents::list(conn, &Scope::All, filter, after, 2).await.unwrap();
        found.extend(page.items.into_iter().map(|document| document.task_id));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_selects_its_documents() {
    with_database(|pool| async move {
        let mut tasks = vec![
            reviewed(1, &[("law", "Texas"), ("kind", "Sale")]),
            reviewed(2, &[("law", "Utah")]),
            task(3),
            task(4),
            reviewed(5, &[("law", "Texas")]),
        ];
        tasks[3]["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Texas")])]);
        for (index, task) in tasks.iter_mut().enumerate() {
            task["data"]["pages"] = json!(index);
            task["data"]["client"] = json!(if index % 2 == 0 { "Acme & Sons" } else { "Bolt" });
        }
        import(&pool, file(&tasks)).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let text = |value: &str| Some(value.to_owned());
        let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        let cases: Vec<(DocumentFilter, &[&str])> = vec![
            // a review that leaves a field out is the answer that it has no value
            (DocumentFilter { field: text("kind"), ..DocumentFilter::default() }, &["1", "2", "5"]),
            (DocumentFilter { field: text("kind"), value: text(""), ..DocumentFilter::default() }, &["2", "5"]),
            (DocumentFilter { field: text("law"), value: text("Texas"), ..DocumentFilter::default() }, &["1", "5"]),
            (DocumentFilter { value: text("Sale"), ..DocumentFilter::default() }, &["1"]),
            (DocumentFilter { status: Some(ReviewStatus::Unreviewed), ..DocumentFilter::default() }, &["4"]),
            (DocumentFilter { reviewed: Some(true), ..DocumentFilter::default() }, &["1", "2", "5"]),
            (DocumentFilter { reviewed: Some(false), field: text("kind"), ..DocumentFilter::default() }, &["3", "4"]),
            (DocumentFilter { reviewed: Some(false), ..DocumentFilter::default() }, &["3", "4"]),
            (DocumentFilter { metadata: pair("pages", "3"), ..DocumentFilter::default() }, &["4"]),
            (DocumentFilter { metadata: pair("client", "Bolt"), project: text("1"), ..DocumentFilter::default() }, &["2", "4"]),
            (DocumentFilter { metadata: pair("client", "bolt"), ..DocumentFilter::default() }, &[]),
            (DocumentFilter { source: text("other"), ..DocumentFilter::default() }, &[]),
            (DocumentFilter { since: Some(chrono::Utc::now() + chrono::TimeDelta::days(1)), ..DocumentFilter::default() }, &[]),
            (DocumentFilter { words: text("acme SON"), ..DocumentFilter::default() }, &["1", "3", "5"]),
            (DocumentFilter { words: text("title 2"), ..DocumentFilter::default() }, &["2", "3"]),
            (DocumentFilter { words: text("' & !"), ..DocumentFilter::default() }, &[]),
            (DocumentFilter { words: text("bolt"), reviewed: Some(true), ..DocumentFilter::default() }, &["2"]),
        ];
        for (filter, expected) in cases {
            assert_eq!(list_all(&mut conn, &filter).await, expected, "{filter:?}");
        }
        let mut splits = 0;
        for split in [Split::Train, Split::Validation, Split::Test, Split::Excluded] {
            splits += list_all(&mut conn, &DocumentFilter { split: Some(split), ..DocumentFilter::default() }).await.len();
        }
        assert_eq!(splits, 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_searched_in_their_latest_version_whatever_the_case() {
    with_database(|pool| async move {
        let mut tasks: Vec<_> = (1..=4).map(task).collect();
        tasks[1]["data"]["text"] = json!("Here is an UNUSUAL\nphrase with São Paulo in it.");
        import(&pool, file(&tasks)).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let filter = DocumentFilter::default();
        let page = documents::search_texts(&mut conn, &Scope::All, "são paulo", &filter, None, 10).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].document.task_id.as_str(), page.next), (1, "2", None));
        assert!(page.items[0].excerpt.as_deref().unwrap().contains("UNUSUAL"));
        let page = documents::search_texts(&mut conn, &Scope::All, "law of texas", &filter, None, 2).await.unwrap();
        let rest = documents::search_texts(&mut conn, &Scope::All, "law of texas", &filter, page.next, 2).await.unwrap();
        let ids: Vec<_> = page.items.iter().chain(&rest.items).map(|found| found.document.task_id.as_str()).collect();
        assert_eq!((ids, rest.next), (vec!["1", "3", "4"], None));

        tasks[1]["data"]["text"] = json!("another text");
        import(&pool, file(&tasks)).await.unwrap();
        assert!(documents::search_texts(&mut conn, &Scope::All, "São Paulo", &filter, None, 10).await.unwrap().items.is_empty());
        let id = documents::list(&mut conn, &Scope::All, &DocumentFilter { task_id: Some("2".to_owned()), ..filter }, None, 1)
            .await
            .unwrap()
            .items[0]
            .id;
        let versions = documents::list_text_versions(&mut conn, id).await.unwrap();
        assert_eq!(versions.iter().map(|version| (version.version, version.characters)).collect::<Vec<_>>(), [(1, 47), (2, 12)]);
        assert!(documents::get_text(&mut conn, id, Some(1)).await.unwrap().unwrap().text.contains("São Paulo"));
        assert_eq!(documents::get_text(&mut conn, id, None).await.unwrap().unwrap().text, "another text");
        assert!(documents::get_text(&mut conn, id, Some(3)).await.unwrap().is_none());
    })
    .await;
}
