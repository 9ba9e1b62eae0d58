//! Clone of a run: a new run that records its origin.

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::RunId;
use crate::run::create::{CreateRun, Created, create_run};
use crate::run::event::append;
use crate::run::status::EventKind;
use crate::run::training_run::get_run;

/// Creates a run like [`create_run`] and records `origin`, in one transaction. The caller has copied the wanted parts of the origin
/// into the request.
///
/// # Errors
/// Those of [`create_run`].
pub async fn clone_run(conn: &mut PgConnection, origin: RunId, request: CreateRun<'_>) -> Result<Created, RunsError> {
    let mut tx = conn.begin().await?;
    let actor = request.actor;
    let same_data = request.position.is_some();
    let mut created = create_run(&mut tx, request).await?;
    if created.is_new {
        let id = created.run.id;
        let data = if same_data { "with the same data" } else { "with current data" };
        append(&mut tx, id, None, EventKind::Log, &json!({ "text": format!("cloned from run {origin}, {data}"), "origin": origin }))
            .await?;
        let details = json!({ "origin": origin, "same_data": same_data });
        record_audit(&mut tx, actor, "training_run.clone", &id.to_string(), &details).await?;
        created.run = get_run(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(created)
}
