//! Publication of a model version: version, metrics, objects and final status in one transaction.

use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::objects::confirm::publish_objects;
use crate::objects::declare::ObjectOwner;
use crate::registry::aliases::change::promote_first_version;
use crate::registry::datasets::lock_dataset;
use crate::registry::metrics::{NewMetric, insert_metrics};
use crate::registry::new_version::NewModelVersion;
use crate::registry::repeated_version::describe_repetition;
use crate::run::attempt::AttemptId;
use crate::run::complete::complete_run;
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::status::{EventKind, RunStatus};

/// Actor of the rule that makes the first version of a model champion.
const FIRST_VERSION_ACTOR: &str = "rule first_version";

/// Publishes the version, if the run trained one, and completes the run. Returns the number of the version.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run; [`RunsError::CancelRequested`] when cancellation was requested;
/// [`RunsError::DatasetErased`] when a document in the snapshot was erased meanwhile; [`RunsError::BrokenRow`] when the results do not
/// match the kind of the run. Nothing is written then.
pub async fn publish(
    conn: &mut PgConnection,
    attempt: AttemptId,
    version: Option<&NewModelVersion<'_>>,
    metrics: &[NewMetric],
) -> Result<Option<i32>, RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
    }
    let published = match version {
        Some(version) => Some(insert_version(&mut tx, attempt, version).await?),
        None => None,
    };
    insert_metrics(&mut tx, attempt, published.as_ref().map(|published| published.id), metrics).await?;
    let number = published.as_ref().map(|published| published.number);
    if let (Some(version), Some(published)) = (version, published) {
        let remark = published.repetition.map(|remark| format!(": {remark}")).unwrap_or_default();
        let text = format!("published {} version {}{remark}", version.model, published.number);
        append(&mut tx, attempt.run_id, Some(attempt.number), EventKind::Log, &json!({ "text": text })).await?;
    }
    complete_run(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(number)
}

/// A version inside the transaction that publishes it.
struct PublishedVersion {
    id: ModelVersionId,
    number: i32,
    /// The earlier version that it repeats, in words.
    repetition: Option<String>,
}

async fn insert_version(conn: &mut PgConnection, attempt: AttemptId, version: &NewModelVersion<'_>) -> Result<PublishedVersion, RunsError> {
    lock_dataset(conn, version.dataset).await?;
    // the row of the model is locked until commit, so version numbers follow the order of publication
    let model = sqlx::query!(
        r#"
        INSERT INTO models (name, last_number) VALUES ($1, 1)
        ON CONFLICT (name) DO UPDATE SET last_number = models.last_number + 1
        RETURNING last_number AS number, first_version = 'auto' AND last_number = 1 AS "becomes_champion!",
            promotion = 'automatic' AND last_number > 1 AS "gate_due!"
        "#,
        version.model
    )
    .fetch_one(&mut *conn)
    .await?;
    let number = model.number;
    let repetition = describe_repetition(&mut *conn, attempt.run_id, number, version).await?;
    let card = with_warning(version.card, repetition.as_deref());
    let id = ModelVersionId::new_v7();
    sqlx::query!(
        r#"
        INSERT INTO model_versions (id, model, number, run_id, attempt_number, dataset_id, object_prefix, manifest_sha256, files, card,
            gate_due)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        "#,
        id as ModelVersionId,
        version.model,
        number,
        attempt.run_id as RunId,
        attempt.number,
        version.dataset as DatasetId,
        version.object_prefix,
        version.manifest_sha256,
        version.files,
        card,
        model.gate_due
    )
    .execute(&mut *conn)
    .await?;
    if model.becomes_champion {
        promote_first_version(conn, version.model, FIRST_VERSION_ACTOR).await?;
    }
    publish_objects(conn, attempt, version.object_keys, ObjectOwner::Model).await?;
    Ok(PublishedVersion { id, number, repetition })
}

/// The card with one more warning, after those about the quality of the model.
fn with_warning(card: &Value, warning: Option<&str>) -> Value {
    let mut card = card.clone();
    if let (Some(card), Some(warning)) = (card.as_object_mut(), warning) {
        let warnings = card.entry("warnings").or_insert_with(|| json!([]));
        if let Some(warnings) = warnings.as_array_mut() {
            warnings.push(json!(warning));
        }
    }
    card
}
