//! Predictions that runs store with published versions.

use aprendiz_annotations::predictions::{
    DocumentToPredict, NewPrediction, PredictedText, PredictionSelection, count_documents, count_predictions, list_documents, load_texts,
    store_predictions, version_name,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{file, prediction, reviewed, task};

/// A row of a run, without which its predictions cannot be stored.
async fn run(pool: &PgPool) -> Uuid {
    let sql = "INSERT INTO training_runs (id, kind, model, spec, position, created_by) VALUES ($1, 'predict', 'm', '{}', 0, 'test')";
    let id = Uuid::now_v7();
    sqlx::query(sql).bind(id).execute(pool).await.unwrap();
    id
}

fn selection() -> PredictionSelection {
    PredictionSelection {
        position: i64::MAX,
        fields: vec!["law".to_owned()],
        version: version_name("m", 3),
        ..PredictionSelection::default()
    }
}

async fn list(pool: &PgPool, selection: &PredictionSelection) -> Vec<DocumentToPredict> {
    let mut conn = pool.acquire().await.unwrap();
    let listed = list_documents(&mut conn, selection, None, 100).await.unwrap();
    assert_eq!(count_documents(&mut conn, selection).await.unwrap(), listed.len() as i64);
    listed
}

/// Stores the value for these documents. Returns how many were left out.
async fn store(pool: &PgPool, run: Uuid, documents: &[DocumentToPredict], value: &str, confidence: Option<f64>) -> usize {
    let text = |document: &DocumentToPredict| PredictedText {
        document_id: document.id,
        text_version: document.text_version,
        fields: vec![NewPrediction { field: "law".to_owned(), value: Some(value.to_owned()), confidence }],
    };
    let batch: Vec<PredictedText> = documents.iter().map(text).collect();
    let mut tx = pool.begin().await.unwrap();
    let left_out = store_predictions(&mut tx, run, "m@3", &batch).await.unwrap();
    tx.commit().await.unwrap();
    left_out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_predicted_once_and_a_changed_one_again() {
    with_database(|pool| async move {
        let mut predicted = task(2);
        predicted["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Utah")])]);
        import(&pool, file(&[reviewed(1, &[("law", "Texas")]), predicted.clone()])).await.unwrap();
        let run = run(&pool).await;
        let documents = list(&pool, &selection()).await;
        assert_eq!((documents.len(), documents.iter().any(|document| document.is_predicted)), (2, false));
        let mut conn = pool.acquire().await.unwrap();
        let second: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '2'").fetch_one(&pool).await.unwrap();
        assert!(load_texts(&mut conn, &documents).await.unwrap()[&second].contains("number 2"));
        assert_eq!(store(&pool, run, &documents, "Texas", Some(0.9)).await, 0);
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["Texas"]), Some(&["Texas"]), "OK", 2));
        assert_eq!(state(&pool, "2", "law").await, is(Some(&["Texas"]), None, "UNREVIEWED", 2));

        // again, and another run: nothing changes
        assert!(list(&pool, &selection()).await.iter().all(|document| document.is_predicted));
        assert_eq!(store(&pool, run, &documents, "Maine", None).await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM extractions WHERE value = '{Texas}' AND confidence = 0.9").await, 2);

        // the extractor's file comes again, with a prediction under the name of the version: it replaces nothing
        sqlx::query("UPDATE extractions SET predicted_at = '2023-01-01' WHERE extractor_version = 'm@3'").execute(&pool).await.unwrap();
        predicted["predictions"] = json!([prediction(2, "m@3", "2024-06-01T00:00:00Z", &[("law", "Ohio")])]);
        import(&pool, file(&[predicted.clone()])).await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM extractions WHERE value = '{Ohio}'").await, 0);

        // a changed text is predicted again, and a prediction of the text before is left out
        predicted["data"]["text"] = json!("A wholly different document about the sale of goods in Maine and its taxes.");
        import(&pool, file(&[predicted])).await.unwrap();
        let listed = list(&pool, &selection()).await;
        let of_second =
            |documents: &[DocumentToPredict]| documents.iter().filter(|document| document.id == second).cloned().collect::<Vec<_>>();
        let (before, changed) = (of_second(&documents), of_second(&listed));
        assert_eq!((changed[0].text_version, changed[0].is_predicted), (2, false));
        assert!(listed.iter().all(|document| document.is_predicted == (document.id != second)));
        assert_eq!(store(&pool, run, &before, "Texas", Some(0.9)).await, 1);
        assert_eq!(store(&pool, run, &changed, "Maine", None).await, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM extractions WHERE extractor_version = 'm@3'").await, 2);
        let ids: Vec<Uuid> = listed.iter().map(|document| document.id).collect();
        let counted = count_predictions(&mut conn, "m@3", &ids, &[("law".to_owned(), Some(0.9))]).await.unwrap();
        assert_eq!(counted.iter().map(|field| (field.predicted, field.answered, field.unknown)).collect::<Vec<_>>(), [(2, 1, 1)]);
        let without = count_predictions(&mut conn, "m@3", &ids, &[("law".to_owned(), None)]).await.unwrap();
        assert_eq!(without[0].answered, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_limited_by_sources_reviews_and_the_position() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")]), task(2), task(3)])).await.unwrap();
        let numbers = async |selection: PredictionSelection| list(&pool, &selection).await.len();
        assert_eq!(numbers(selection()).await, 3);
        assert_eq!(numbers(PredictionSelection { unreviewed: true, ..selection() }).await, 2);
        assert_eq!(numbers(PredictionSelection { projects: vec!["1".to_owned(), "9".to_owned()], ..selection() }).await, 3);
        assert_eq!(numbers(PredictionSelection { projects: vec!["9".to_owned()], ..selection() }).await, 0);
        assert_eq!(numbers(PredictionSelection { source: Some("other".to_owned()), ..selection() }).await, 0);
        assert_eq!(numbers(PredictionSelection { position: 0, ..selection() }).await, 0);
        let one = list(&pool, &selection()).await.remove(1);
        assert_eq!(numbers(PredictionSelection { documents: Some(vec![one.id]), ..selection() }).await, 1);
        let mut conn = pool.acquire().await.unwrap();
        let after = list_documents(&mut conn, &selection(), Some(one.id), 100).await.unwrap();
        assert_eq!(after.len(), 1, "pages continue after a document");
        sqlx::query("UPDATE documents SET archived_at = now() WHERE id = $1").bind(one.id).execute(&pool).await.unwrap();
        assert_eq!(numbers(selection()).await, 2);
        assert_eq!(store(&pool, run(&pool).await, &[one], "Texas", None).await, 1, "archived meanwhile");
    })
    .await;
}
