//! Resolves a requested selection against the database.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::selection::excluded_field::{ExcludedField, ExclusionReason};
use crate::selection::request::{Selection, SelectionRequest};

const MAX_REPORTED_DOCUMENTS: i64 = 10;

impl Selection {
    /// Resolves a request.
    ///
    /// Fails if a field or document does not exist, or if no field is selected.
    pub async fn resolve(conn: &mut PgConnection, request: SelectionRequest) -> Result<Self, DatasetError> {
        let SelectionRequest { mut fields, mut documents, source, project, min_support, mut pairs, position } = request;
        if let Some(pairs) = &mut pairs {
            pairs.of.sort_unstable();
            pairs.of.dedup();
        }
        if fields.is_empty() {
            fields = categorical_fields(conn, position).await?;
        }
        fields.sort_unstable();
        fields.dedup();
        if fields.is_empty() {
            return Err(DatasetError::NoExamples {
                message: format!(
                    "no categorical field has a review at or below position {position}; import reviewed annotations or specify fields"
                ),
            });
        }
        ensure_project_has_documents(conn, source.as_deref(), project.as_deref()).await?;
        let untrainable = untrainable_fields(conn, &fields, position).await?;
        if let Some(documents) = &mut documents {
            documents.sort_unstable();
            documents.dedup();
            ensure_documents_exist(conn, documents).await?;
        }
        Ok(Self { fields, untrainable, documents, source, project, min_support, pairs, position })
    }
}

/// Names of the fields that are categorical as of the position and have an event at or below it.
///
/// Fields added later are not included, so the result for a position never changes.
async fn categorical_fields(conn: &mut PgConnection, position: i64) -> Result<Vec<String>, DatasetError> {
    let names = sqlx::query_scalar!(
        r#"
        SELECT f.name
        FROM fields f
        LEFT JOIN LATERAL (
            SELECT v.kind
            FROM field_definitions v
            WHERE v.field = f.name
            -- the latest version as of the position, or else the first version
            ORDER BY v.position <= $1 DESC, CASE WHEN v.position <= $1 THEN -v.version ELSE v.version END
            LIMIT 1
        ) d ON true
        WHERE coalesce(d.kind, f.kind) = 'categorical'
          AND EXISTS (SELECT FROM annotation_events e WHERE e.field = f.name AND e.position <= $1)
        "#,
        position,
    )
    .fetch_all(conn)
    .await?;
    Ok(names)
}

/// Checks that the fields exist, and returns those that their definition as of the position excludes from training.
///
/// `fields` must be sorted.
async fn untrainable_fields(conn: &mut PgConnection, fields: &[String], position: i64) -> Result<Vec<ExcludedField>, DatasetError> {
    let known = sqlx::query!(
        r#"
        SELECT f.name, coalesce(d.kind, f.kind) = 'categorical' AS "categorical!", coalesce(d.cardinality, f.cardinality) = 'many' AS "many!"
        FROM fields f
        LEFT JOIN LATERAL (
            SELECT v.kind, v.cardinality
            FROM field_definitions v
            WHERE v.field = f.name
            ORDER BY v.position <= $1 DESC, CASE WHEN v.position <= $1 THEN -v.version ELSE v.version END
            LIMIT 1
        ) d ON true
        ORDER BY f.name COLLATE "C"
        "#,
        position,
    )
    .fetch_all(conn)
    .await?;
    let mut untrainable = Vec::new();
    for field in fields {
        let Some(definition) = known.iter().find(|definition| definition.name == *field) else {
            let known = if known.is_empty() {
                "none (nothing has been imported)".to_owned()
            } else {
                known.into_iter().map(|definition| definition.name).collect::<Vec<_>>().join(", ")
            };
            return Err(DatasetError::UnknownField { field: field.clone(), known });
        };
        let reason = match (definition.categorical, definition.many) {
            (false, _) => ExclusionReason::Kind,
            (true, true) => ExclusionReason::ManyValues,
            (true, false) => continue,
        };
        untrainable.push(ExcludedField { field: field.clone(), reason });
    }
    Ok(untrainable)
}

/// Rejects a filter by source or project that no document satisfies, and names those that have documents.
async fn ensure_project_has_documents(conn: &mut PgConnection, source: Option<&str>, project: Option<&str>) -> Result<(), DatasetError> {
    const MAX_LISTED: i64 = 20;
    if source.is_none() && project.is_none() {
        return Ok(());
    }
    let exists = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (
            SELECT FROM documents WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR project = $2)
        ) AS "exists!"
        "#,
        source,
        project,
    )
    .fetch_one(&mut *conn)
    .await?;
    if exists {
        return Ok(());
    }
    let known =
        sqlx::query_scalar!(r#"SELECT DISTINCT source || '/' || project AS "name!" FROM documents ORDER BY 1 LIMIT $1"#, MAX_LISTED)
            .fetch_all(conn)
            .await?;
    let wanted = [("source", source), ("project", project)].into_iter().filter_map(|(name, value)| Some(format!("{name} `{}`", value?)));
    let known = if known.is_empty() { "there are no documents yet".to_owned() } else { format!("projects: {}", known.join(", ")) };
    let message = format!("{} has no documents ({known})", wanted.collect::<Vec<_>>().join(", "));
    Err(DatasetError::NoExamples { message })
}

async fn ensure_documents_exist(conn: &mut PgConnection, documents: &[Uuid]) -> Result<(), DatasetError> {
    let unknown = sqlx::query_scalar!(
        r#"
        SELECT selected.id AS "id!"
        FROM unnest($1::uuid[]) AS selected (id)
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = selected.id)
        ORDER BY selected.id
        LIMIT $2
        "#,
        documents,
        MAX_REPORTED_DOCUMENTS,
    )
    .fetch_all(conn)
    .await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let documents = unknown.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
    Err(DatasetError::UnknownDocuments { documents })
}
