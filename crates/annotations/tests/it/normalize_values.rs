//! Normalization of stored and imported values.

use aprendiz_db::Scope;
use std::collections::BTreeMap;

use aprendiz_annotations::fields::{Cardinality, FieldDefinition, FieldKind, declare, get};
use aprendiz_annotations::reviews::{Decision, NewReview, record_review};
use aprendiz_annotations::{Case, Normalization, normalize_values};
use serde_json::json;
use uuid::Uuid;

use crate::database::{contents, count, import, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

fn definition() -> FieldDefinition {
    let aliases = BTreeMap::from([("NY".to_owned(), "New York".to_owned())]);
    FieldDefinition {
        kind: FieldKind::Categorical,
        cardinality: Cardinality::One,
        allowed_values: None,
        normalization: Some(Normalization { case: Case::Upper, spaces: true, aliases }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_values_are_normalized_by_events_and_new_values_on_arrival() {
    with_database(|pool| async move {
        let mut one = reviewed(1, &[("law", "new  york")]);
        one["predictions"] = json!([prediction(1, "v", "2024-01-01T00:00:00Z", &[("law", "ny")])]);
        let export = file(&[one, reviewed(2, &[("law", "TEXAS")]), reviewed(3, &[("law", "texas")]), reviewed(4, &[])]);
        import(&pool, export.clone()).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        assert!(normalize_values(&mut conn, "law", "ana", false).await.unwrap_err().to_string().contains("declare one"));

        let mut with_alias = definition();
        with_alias.normalization.as_mut().unwrap().aliases.insert("NEW YORK".to_owned(), "New York".to_owned());
        declare(&mut conn, "law", &with_alias, None, "ana").await.unwrap();
        assert_eq!(get(&mut conn, &Scope::All, "law").await.unwrap().unwrap().normalization, with_alias.normalization);
        assert_eq!(state(&pool, "1", "law").await.2, "CORRECTED", "a definition alone changes nothing");

        let result = normalize_values(&mut conn, "law", "ana", false).await.unwrap();
        assert_eq!((result.values, result.reviews, result.predictions), (3, 2, 1));
        assert_eq!(state(&pool, "1", "law").await, is(Some(&["New York"]), Some(&["New York"]), "OK", 2));
        assert_eq!(state(&pool, "2", "law").await, is(None, Some(&["TEXAS"]), "NEW", 1));
        assert_eq!(state(&pool, "3", "law").await, is(None, Some(&["TEXAS"]), "NEW", 2));
        assert_eq!(state(&pool, "4", "law").await, is(None, Some(&[]), "MISSING", 1));
        let first = "SELECT count(*) FROM annotation_events WHERE value = '{texas}'";
        assert_eq!(count(&pool, first).await, 1, "the original event stays");
        assert_eq!(
            count(&pool, "SELECT count(*) FROM annotation_events WHERE reviewer = '1' AND actor = 'ana' AND source = 'aprendiz'").await,
            2
        );

        let before = contents(&pool).await;
        assert_eq!(normalize_values(&mut conn, "law", "ana", false).await.unwrap().values, 0);
        assert_eq!(import(&pool, export).await.unwrap().events_created, 0, "the old file changes nothing");
        assert!(before == contents(&pool).await);

        let mut later = task(5);
        later["annotations"] = json!([annotation(9, "2024-03-01T00:00:00Z", &[("law", " ny ")])]);
        import(&pool, file(&[later])).await.unwrap();
        assert_eq!(state(&pool, "5", "law").await, is(None, Some(&["New York"]), "NEW", 1));
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '4'").fetch_one(&pool).await.unwrap();
        record_review(&mut conn, NewReview::new(document, "law", Decision::Set(vec!["Ny".to_owned()]), "ana")).await.unwrap();
        assert_eq!(state(&pool, "4", "law").await, is(None, Some(&["New York"]), "NEW", 2));
    })
    .await;
}
