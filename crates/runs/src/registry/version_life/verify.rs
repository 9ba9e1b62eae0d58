//! Verification of a version: creates the run that trains it again, and records what the comparison of the files found.

use aprendiz_db::ensure_one_row;
use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::{DatasetId, ModelVersionId, RunId};
use crate::registry::datasets::lock_dataset;
use crate::registry::metrics::{NewMetric, insert_metrics};
use crate::registry::version_life::verification::{Verification, VerificationResult};
use crate::registry::versions::ModelVersion;
use crate::run::attempt::AttemptId;
use crate::run::complete::complete_run;
use crate::run::create::{CreateRun, Created, create_run};
use crate::run::event::append;
use crate::run::lease::lock_attempt;
use crate::run::status::{EventKind, RunStatus};
use crate::run::training_run::get_run;

/// Metric of a run that verified a version: 1 = identical, 0 = different, undefined = not comparable.
const VERIFICATION_METRIC: &str = "verification_identical";

/// Creates the run that verifies a version. `request` has the spec, the documents and the position of the run that trained it.
///
/// # Errors
/// Those of [`create_run`].
pub async fn create_verification(conn: &mut PgConnection, version: &ModelVersion, request: CreateRun<'_>) -> Result<Created, RunsError> {
    let mut tx = conn.begin().await?;
    let actor = request.actor;
    let mut created = create_run(&mut tx, request).await?;
    if created.is_new {
        let id = created.run.id;
        let marked = sqlx::query!(
            "UPDATE training_runs SET verifies_version_id = $2 WHERE id = $1 AND verifies_version_id IS NULL",
            id as RunId,
            version.id as ModelVersionId
        )
        .execute(&mut *tx)
        .await?;
        ensure_one_row(&marked, || RunsError::UnknownRun(id))?;
        let text = format!("verifies {} version {}: trains it again and publishes nothing", version.model, version.number);
        append(&mut tx, id, None, EventKind::Log, &json!({ "text": text })).await?;
        let subject = format!("{}/{}", version.model, version.number);
        record_audit(&mut tx, actor, "model.verify", &subject, &json!({ "run_id": id.to_string() })).await?;
        created.run = get_run(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(created)
}

/// Records the outcome in the version and completes the run, in one transaction. `trained_on` is the snapshot, if something was trained.
///
/// # Errors
/// [`RunsError::LeaseLost`] when the attempt no longer owns the run; [`RunsError::CancelRequested`] when cancellation was requested;
/// [`RunsError::DatasetErased`] when a document in the snapshot was erased meanwhile. Nothing is written then.
pub async fn publish_verification(
    conn: &mut PgConnection,
    attempt: AttemptId,
    version: ModelVersionId,
    trained_on: Option<DatasetId>,
    verification: &Verification,
    metrics: &[NewMetric],
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
        return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
    }
    if let Some(dataset) = trained_on {
        lock_dataset(&mut tx, dataset).await?;
    }
    let details = serde_json::to_value(verification).map_err(|error| RunsError::BrokenRow {
        table: "model_versions",
        id: version.to_string(),
        what: format!("the verification cannot be serialized: {error}"),
    })?;
    insert_metrics(&mut tx, attempt, None, metrics).await?;
    let value = match verification.result {
        VerificationResult::Identical => Some(1.0),
        VerificationResult::Different => Some(0.0),
        VerificationResult::NotComparable => None,
    };
    let metric = NewMetric { split: "test", field: None, name: VERIFICATION_METRIC.to_owned(), value, details: Some(details.clone()) };
    insert_metrics(&mut tx, attempt, None, &[metric]).await?;
    let recorded = sqlx::query!(
        r#"
        UPDATE model_versions v
        SET verified_at = clock_timestamp(), verified_run_id = $2, verification = $3
        FROM training_runs r
        WHERE v.id = $1 AND r.id = $2 AND r.verifies_version_id = v.id
        "#,
        version as ModelVersionId,
        attempt.run_id as RunId,
        details
    )
    .execute(&mut *tx)
    .await?;
    ensure_one_row(&recorded, || RunsError::BrokenRow {
        table: "training_runs",
        id: attempt.run_id.to_string(),
        what: format!("it does not verify model version {version}"),
    })?;
    append(
        &mut tx,
        attempt.run_id,
        Some(attempt.number),
        EventKind::Log,
        &json!({ "text": verification.describe(), "verification": details }),
    )
    .await?;
    complete_run(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(())
}
