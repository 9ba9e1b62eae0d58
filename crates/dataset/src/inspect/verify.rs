//! Whether a snapshot can still be made from the events, and is what it was.

use std::collections::BTreeSet;

use annotations::erasure::{ErasedText, text_proof};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::inspect::document_lineage::memberships_of;
use crate::inspect::error::InspectError;
use crate::inspect::recorded::{Recorded, recorded};
use crate::key::{BUILDER_VERSION, FIRST_OF_CANONICAL_FORM};
use crate::rehash::rehash;

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The events give the same rows as when it was built.
    Same,
    /// They do not; `differences` says what differs. The append-only tables were changed past Aprendiz, or it has a fault.
    Different,
    /// A document in it was erased: it cannot be made any more, and its files are gone. `erased` says which documents.
    Erased,
    /// Another version of the builder made it; this one would give other bytes for the same rows, so nothing was compared.
    OtherBuilderVersion,
}

/// The answer of a verification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Verification {
    /// The snapshot.
    pub dataset_id: Uuid,
    /// What came of it.
    pub verdict: Verdict,
    /// Version of the builder that made it.
    pub builder_version: i32,
    /// What was recorded and what the events give, where they differ.
    pub differences: Vec<Difference>,
    /// Documents in it that were erased.
    pub erased: Vec<ErasureInSnapshot>,
}

/// Something that is not what was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// `canonical_hash`, `position` or `examples`.
    pub what: &'static str,
    /// As recorded when it was built.
    #[schema(value_type = Object)]
    pub recorded: Value,
    /// As the events give it now.
    #[schema(value_type = Object)]
    pub rebuilt: Value,
}

/// A document that a snapshot held and that was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErasureInSnapshot {
    /// The document.
    pub document_id: Uuid,
    /// Who erased it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// Commit-safe position of the erasure.
    pub position: i64,
    /// Hashes of its texts.
    pub proof: Vec<ErasedText>,
}

/// Builds the rows anew and compares them with what was recorded.
///
/// Opens its own connections, and dropping the future closes them.
///
/// # Errors
/// [`InspectError::UnknownDataset`], and what reading rows can err with.
pub async fn verify(database: &PgConnectOptions, id: Uuid) -> Result<Verification, InspectError> {
    let mut conn = database.connect().await?;
    let recorded = recorded(&mut conn, id).await?;
    let answer = |verdict, differences, erased| Verification {
        dataset_id: id,
        verdict,
        builder_version: recorded.builder_version,
        differences,
        erased,
    };
    let erased = erasures_in(&mut conn, &recorded).await?;
    if recorded.erased_at.is_some() || !erased.is_empty() {
        return Ok(answer(Verdict::Erased, Vec::new(), erased));
    }
    if !(FIRST_OF_CANONICAL_FORM..=BUILDER_VERSION).contains(&recorded.builder_version) {
        return Ok(answer(Verdict::OtherBuilderVersion, Vec::new(), Vec::new()));
    }
    drop(conn);
    let rebuilt = rehash(database, &recorded.selection).await?;
    let differences: Vec<Difference> = [
        ("canonical_hash", json!(recorded.canonical_hash), json!(rebuilt.canonical_hash)),
        ("position", json!(recorded.position), json!(rebuilt.effective_position)),
        ("examples", json!(recorded.examples), json!(rebuilt.examples)),
    ]
    .into_iter()
    .filter(|(_, recorded, rebuilt)| recorded != rebuilt)
    .map(|(what, recorded, rebuilt)| Difference { what, recorded, rebuilt })
    .collect();
    let verdict = if differences.is_empty() { Verdict::Same } else { Verdict::Different };
    Ok(answer(verdict, differences, Vec::new()))
}

/// Documents of a snapshot that were erased after it was built, in the order of their erasure.
async fn erasures_in(conn: &mut PgConnection, recorded: &Recorded) -> Result<Vec<ErasureInSnapshot>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT document_id, actor, reason, erased_at, position
        FROM erasures
        WHERE erased_at > $1
        ORDER BY position
        "#,
        recorded.created_at
    )
    .fetch_all(&mut *conn)
    .await?;
    let since: Vec<Uuid> = rows.iter().map(|row| row.document_id).collect();
    let held: BTreeSet<Uuid> =
        memberships_of(conn, &since, Some(recorded.id)).await?.into_iter().map(|membership| membership.document_id).collect();
    let mut erased = Vec::with_capacity(held.len());
    for row in rows.into_iter().filter(|row| held.contains(&row.document_id)) {
        erased.push(ErasureInSnapshot {
            document_id: row.document_id,
            actor: row.actor,
            reason: row.reason,
            erased_at: row.erased_at,
            position: row.position,
            proof: text_proof(conn, row.document_id).await?,
        });
    }
    Ok(erased)
}
