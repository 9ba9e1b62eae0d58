//! Stores the predictions of a run for a batch of documents.

use std::collections::HashSet;

use aprendiz_db::AdvisoryLock;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::state_sql::derive_states;

/// What a version predicts for a text.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedText {
    /// The document.
    pub document_id: Uuid,
    /// Version of the text that was read.
    pub text_version: i32,
    /// One prediction per field.
    pub fields: Vec<NewPrediction>,
}

/// A prediction for a field.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPrediction {
    /// The field.
    pub field: String,
    /// The predicted value; `None` = no value.
    pub value: Option<String>,
    /// Its confidence, 0 to 1; `None` = the model knows nothing of the text, so the value must not be accepted without review.
    pub confidence: Option<f64>,
}

/// Stores predictions under the name of a version, and derives the states of their fields. Returns the number of documents that were left
/// out: erased, archived or withdrawn meanwhile, or with another text now.
///
/// A prediction of a run for the same version, field and text stays as it is, so that a repeated call changes nothing.
///
/// The caller has begun a transaction, and commits soon: it holds the position lock. Lock order, as for all writers: documents, rows in
/// `annotations`, the position lock last.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn store_predictions(conn: &mut PgConnection, run: Uuid, version: &str, batch: &[PredictedText]) -> Result<usize, sqlx::Error> {
    let valid = lock_documents(conn, batch).await?;
    let mut documents: Vec<Uuid> = Vec::new();
    let mut text_versions: Vec<i32> = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    let mut values: Vec<Option<String>> = Vec::new();
    let mut confidences: Vec<Option<f64>> = Vec::new();
    for text in batch.iter().filter(|text| valid.contains(&text.document_id)) {
        for prediction in &text.fields {
            documents.push(text.document_id);
            text_versions.push(text.text_version);
            fields.push(prediction.field.clone());
            values.push(prediction.value.clone());
            confidences.push(prediction.confidence);
        }
    }
    if !documents.is_empty() {
        lock_states(conn, &documents, &fields).await?;
        sqlx::query!(
            r#"
            INSERT INTO extractions AS x (document_id, field, extractor_version, value, confidence, predicted_at, run_id, text_version)
            -- one time for all fields of a document, which the export of predictions groups by it
            SELECT p.document_id, p.field, $6, CASE WHEN p.value IS NULL THEN '{}' ELSE ARRAY[p.value] END, p.confidence,
                   statement_timestamp(), $7, p.text_version
            FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::float8[])
                AS p (document_id, text_version, field, value, confidence)
            ON CONFLICT (document_id, field, extractor_version) DO UPDATE
            SET value = excluded.value, confidence = excluded.confidence, predicted_at = excluded.predicted_at, import_id = NULL,
                run_id = excluded.run_id, text_version = excluded.text_version
            WHERE x.text_version IS DISTINCT FROM excluded.text_version
            "#,
            &documents,
            &text_versions,
            &fields,
            &values as &[Option<String>],
            &confidences as &[Option<f64>],
            version,
            run,
        )
        .execute(&mut *conn)
        .await?;
        // the lock needs a statement of its own: the next statement then sees everything committed before
        AdvisoryLock::Positions.lock(conn).await?;
        sqlx::query(derive_states!(
            "SELECT given.document_id, given.field FROM unnest($1::uuid[], $2::text[]) AS given (document_id, field)"
        ))
        .bind(&documents)
        .bind(&fields)
        .execute(conn)
        .await?;
    }
    Ok(batch.len() - valid.len())
}

/// Locks the documents, and returns those whose predictions may be stored. An erasure waits for this transaction, or is visible to it.
async fn lock_documents(conn: &mut PgConnection, batch: &[PredictedText]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let ids: Vec<Uuid> = batch.iter().map(|text| text.document_id).collect();
    let versions: Vec<i32> = batch.iter().map(|text| text.text_version).collect();
    sqlx::query!("SELECT id FROM documents WHERE id = ANY($1) ORDER BY id FOR KEY SHARE", &ids).fetch_all(&mut *conn).await?;
    let valid = sqlx::query_scalar!(
        r#"
        SELECT d.id
        FROM unnest($1::uuid[], $2::int[]) AS given (id, text_version)
        JOIN documents d ON d.id = given.id
        WHERE d.archived_at IS NULL AND d.withdrawn_at IS NULL
          AND NOT EXISTS (SELECT FROM erasures e WHERE e.document_id = d.id)
          AND given.text_version = (SELECT max(t.version) FROM document_texts t WHERE t.document_id = d.id)
        "#,
        &ids,
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(valid.into_iter().collect())
}

/// Creates the states that are missing, and locks all of them: a reviewer may be writing one.
async fn lock_states(conn: &mut PgConnection, documents: &[Uuid], fields: &[String]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        INSERT INTO annotations (document_id, field, review_status)
        SELECT given.document_id, given.field, 'UNREVIEWED'
        FROM unnest($1::uuid[], $2::text[]) AS given (document_id, field)
        WHERE NOT EXISTS (SELECT FROM annotations a WHERE a.document_id = given.document_id AND a.field = given.field)
        ORDER BY given.document_id, given.field
        ON CONFLICT DO NOTHING
        "#,
        documents,
        fields,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        SELECT a.document_id
        FROM annotations a
        JOIN unnest($1::uuid[], $2::text[]) AS given (document_id, field) ON given.document_id = a.document_id AND given.field = a.field
        ORDER BY a.document_id, a.field
        FOR UPDATE OF a
        "#,
        documents,
        fields,
    )
    .fetch_all(conn)
    .await?;
    Ok(())
}
