//! A run made after the model of another one: a run of its own, which says where it comes from.

use serde_json::json;
use sqlx::{Acquire as _, PgConnection};

use crate::audit::record_audit;
use crate::create::{CreateRun, Created, create_run};
use crate::error::RunsError;
use crate::event::append;
use crate::ids::RunId;
use crate::run::get_run;
use crate::status::EventKind;

/// Creates a run as [`create_run`] does, and records that it was made after `origin`, in one transaction. What is taken over of
/// the origin, the caller has put into the request.
///
/// # Errors
/// As of [`create_run`].
pub async fn clone_run(conn: &mut PgConnection, origin: RunId, request: CreateRun<'_>) -> Result<Created, RunsError> {
    let mut tx = conn.begin().await?;
    let actor = request.actor;
    let same_data = request.position.is_some();
    let mut created = create_run(&mut tx, request).await?;
    if created.is_new {
        let id = created.run.id;
        let data = if same_data { "over the same data" } else { "over the data of now" };
        append(&mut tx, id, None, EventKind::Log, &json!({ "text": format!("made after run {origin}, {data}"), "origin": origin })).await?;
        let details = json!({ "origin": origin, "same_data": same_data });
        record_audit(&mut tx, actor, "training_run.clone", &id.to_string(), &details).await?;
        created.run = get_run(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(created)
}
