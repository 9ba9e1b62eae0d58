//! Which documents and fields a snapshot takes, as of which position.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::DatasetError;
use crate::label::{LeftOut, LeftOutReason};
use crate::pairs::PairsRequest;

/// What a run asks for, before it is resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionRequest {
    /// Names of fields; empty means every categorical field that had an event by `position`.
    pub fields: Vec<String>,
    /// A chosen subset; `None` means all documents.
    pub documents: Option<Vec<Uuid>>,
    pub source: Option<String>,
    pub project: Option<String>,
    /// Labels with fewer examples are excluded from training.
    pub min_support: u32,
    /// Pairs of texts to train an encoder on; `None` = none.
    pub pairs: Option<PairsRequest>,
    /// Only what has a position up to this one is read.
    pub position: i64,
}

/// A resolved selection: explicit, sorted, without duplicates. Equal selections are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Sorted by code point, at least one.
    pub fields: Vec<String>,
    /// Selected fields whose definition keeps them out of training (`kind`, `many_values`), sorted by field.
    ///
    /// Fixed here because a definition may change later while positions do not: it is part of the key.
    pub untrainable: Vec<LeftOut>,
    /// Sorted; `None` means all documents.
    pub documents: Option<Vec<Uuid>>,
    pub source: Option<String>,
    pub project: Option<String>,
    pub min_support: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsRequest>,
    pub position: i64,
}

impl Selection {
    /// Makes a request explicit. Errs on fields and documents that do not exist, and when no field is left.
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
                looked_for: format!(
                    "no categorical field has a review up to position {position}; import reviewed annotations or name the fields"
                ),
            });
        }
        let untrainable = untrainable_fields(conn, &fields, position).await?;
        if let Some(documents) = &mut documents {
            documents.sort_unstable();
            documents.dedup();
            check_documents(conn, documents).await?;
        }
        Ok(Self { fields, untrainable, documents, source, project, min_support, pairs, position })
    }

    /// Names of the fields that can at most be exported.
    pub(crate) fn untrainable_names(&self) -> Vec<String> {
        self.untrainable.iter().map(|field| field.field.clone()).collect()
    }

    /// Whether it takes every document there is.
    pub(crate) const fn is_everything(&self) -> bool {
        self.documents.is_none() && self.source.is_none() && self.project.is_none()
    }

    /// The selection in words, for errors and the card.
    pub(crate) fn describe(&self) -> String {
        let mut words = match &self.documents {
            Some(documents) => format!("{} chosen documents", documents.len()),
            None => "all documents".to_owned(),
        };
        if let Some(source) = &self.source {
            words.push_str(&format!(" of source {source:?}"));
        }
        if let Some(project) = &self.project {
            words.push_str(&format!(" of project {project:?}"));
        }
        words
    }
}

/// Categorical fields, by their definition of then, with an event by then. A field that came later stays out, so that the answer for a
/// position never changes.
async fn categorical_fields(conn: &mut PgConnection, position: i64) -> Result<Vec<String>, DatasetError> {
    let names = sqlx::query_scalar!(
        r#"
        SELECT f.name
        FROM fields f
        LEFT JOIN LATERAL (
            SELECT v.kind
            FROM field_definitions v
            WHERE v.field = f.name
            -- the greatest version of then, else the first of all
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

/// Checks that the fields exist and lists those that their definition as of the position keeps out of training. `fields` is sorted.
async fn untrainable_fields(conn: &mut PgConnection, fields: &[String], position: i64) -> Result<Vec<LeftOut>, DatasetError> {
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
                "none, nothing has been imported".to_owned()
            } else {
                known.into_iter().map(|definition| definition.name).collect::<Vec<_>>().join(", ")
            };
            return Err(DatasetError::UnknownField { field: field.clone(), known });
        };
        let reason = match (definition.categorical, definition.many) {
            (false, _) => LeftOutReason::Kind,
            (true, true) => LeftOutReason::ManyValues,
            (true, false) => continue,
        };
        untrainable.push(LeftOut { field: field.clone(), reason });
    }
    Ok(untrainable)
}

async fn check_documents(conn: &mut PgConnection, documents: &[Uuid]) -> Result<(), DatasetError> {
    const NAMED_AT_MOST: i64 = 10;
    let unknown = sqlx::query_scalar!(
        r#"
        SELECT chosen.id AS "id!"
        FROM unnest($1::uuid[]) AS chosen (id)
        WHERE NOT EXISTS (SELECT FROM documents d WHERE d.id = chosen.id)
        ORDER BY chosen.id
        LIMIT $2
        "#,
        documents,
        NAMED_AT_MOST,
    )
    .fetch_all(conn)
    .await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let documents = unknown.iter().map(Uuid::to_string).collect::<Vec<_>>().join(", ");
    Err(DatasetError::UnknownDocuments { documents })
}
