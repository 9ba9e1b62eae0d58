//! Verifies that a snapshot can be rebuilt from the events with the same content.

use std::collections::BTreeSet;

use aprendiz_annotations::erasure::{ErasedText, text_hashes};
use aprendiz_db::{Scope, Session};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::build::rehash;
use crate::inspect::error::InspectError;
use crate::inspect::memberships::load_memberships;
use crate::inspect::snapshot_record::{SnapshotRecord, load_snapshot};
use crate::selection::{BUILDER_VERSION, MIN_VERIFIABLE_BUILDER_VERSION};

/// Outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The events yield the same rows as at build time.
    Same,
    /// The events yield other rows; see `differences`. The append-only tables were changed outside Aprendiz, or Aprendiz has a bug.
    Different,
    /// A document in it was erased, so it cannot be rebuilt and its files were deleted; see `erased`.
    Erased,
    /// It was built by another builder version, which writes other bytes for the same rows. Nothing was compared.
    OtherBuilderVersion,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Verification {
    /// Id of the snapshot.
    pub dataset_id: Uuid,
    /// Outcome.
    pub verdict: Verdict,
    /// Version of the builder that built the snapshot.
    pub builder_version: i32,
    /// Properties whose recorded and rebuilt values differ.
    pub differences: Vec<Difference>,
    /// Erased documents of the snapshot.
    pub erased: Vec<ErasureInSnapshot>,
}

/// A property whose rebuilt value differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// `canonical_hash`, `position` or `examples`.
    pub what: &'static str,
    /// Value recorded at build time.
    pub recorded: Value,
    /// Value rebuilt from the events.
    pub rebuilt: Value,
}

/// The erasure of a document that the snapshot contained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErasureInSnapshot {
    /// Id of the document.
    pub document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub document: String,
    /// Who erased the document.
    pub actor: String,
    /// Reason of the erasure.
    pub reason: String,
    /// Time of the erasure.
    pub erased_at: DateTime<Utc>,
    /// Commit-safe position of the erasure.
    pub position: i64,
    /// Hashes of the erased texts.
    pub proof: Vec<ErasedText>,
}

/// Rebuilds the rows and compares them with the recorded values.
///
/// Opens its own connections, and dropping the future closes them.
///
/// # Errors
/// [`InspectError::UnknownDataset`], and the errors of reading rows.
pub async fn verify(database: &Session, id: Uuid) -> Result<Verification, InspectError> {
    let mut conn = database.connect().await?;
    let record = load_snapshot(&mut conn, id).await?;
    let verification = |verdict, differences, erased| Verification {
        dataset_id: id,
        verdict,
        builder_version: record.builder_version,
        differences,
        erased,
    };
    let erased = load_erasures(&mut conn, &record).await?;
    if record.erased_at.is_some() || !erased.is_empty() {
        return Ok(verification(Verdict::Erased, Vec::new(), erased));
    }
    if !(MIN_VERIFIABLE_BUILDER_VERSION..=BUILDER_VERSION).contains(&record.builder_version) {
        return Ok(verification(Verdict::OtherBuilderVersion, Vec::new(), Vec::new()));
    }
    drop(conn);
    let rebuilt = rehash(database, &record.selection).await?;
    let differences: Vec<Difference> = [
        ("canonical_hash", json!(record.canonical_hash), json!(rebuilt.canonical_hash)),
        ("position", json!(record.position), json!(rebuilt.effective_position)),
        ("examples", json!(record.examples), json!(rebuilt.examples)),
    ]
    .into_iter()
    .filter(|(_, recorded, rebuilt)| recorded != rebuilt)
    .map(|(what, recorded, rebuilt)| Difference { what, recorded, rebuilt })
    .collect();
    let verdict = if differences.is_empty() { Verdict::Same } else { Verdict::Different };
    Ok(verification(verdict, differences, Vec::new()))
}

/// Returns the documents of a snapshot that were erased after it was built, in the order of their erasure.
async fn load_erasures(conn: &mut PgConnection, record: &SnapshotRecord) -> Result<Vec<ErasureInSnapshot>, InspectError> {
    let rows = sqlx::query!(
        r#"
        SELECT document_id, actor, reason, erased_at, position,
            (SELECT d.source || '/' || d.project || '/' || d.task_id FROM documents d WHERE d.id = e.document_id) AS "document!"
        FROM erasures e
        WHERE erased_at > $1
        ORDER BY position
        "#,
        record.created_at
    )
    .fetch_all(&mut *conn)
    .await?;
    let erased_since: Vec<Uuid> = rows.iter().map(|row| row.document_id).collect();
    let members: BTreeSet<Uuid> = load_memberships(conn, &Scope::All, &erased_since, Some(record.id))
        .await?
        .into_iter()
        .map(|membership| membership.document_id)
        .collect();
    let mut erased = Vec::with_capacity(members.len());
    for row in rows.into_iter().filter(|row| members.contains(&row.document_id)) {
        erased.push(ErasureInSnapshot {
            document_id: row.document_id,
            document: row.document,
            actor: row.actor,
            reason: row.reason,
            erased_at: row.erased_at,
            position: row.position,
            proof: text_hashes(conn, row.document_id).await?,
        });
    }
    Ok(erased)
}
