//! Requests for a promotion that a second key must approve.

use aprendiz_db::ensure_one_row;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::api_keys::ApiKey;
use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::registry::aliases::alias::Alias;
use crate::registry::aliases::change::{Promotion, lock_model, lock_promotable, promote};

/// A request for a promotion.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PromotionRequest {
    /// Id of the request.
    pub id: Uuid,
    /// Name of the model.
    pub model: String,
    /// Name of the alias.
    pub alias: String,
    /// Number of the version.
    pub number: i32,
    /// `pending`, `approved`, `rejected`, or `outdated` because the alias has changed since.
    pub state: String,
    /// Revision of the alias that the gate compared with; 0 = there was no alias.
    pub alias_revision: i64,
    /// Who requested it.
    pub requested_by: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Why.
    pub reason: Option<String>,
    /// Result of the gate.
    #[schema(value_type = Option<Object>)]
    pub gate: Option<Value>,
    /// Whether an admin requests it against the gate.
    pub overridden: bool,
    /// Who decided; null while it is pending.
    pub decided_by: Option<String>,
    /// When; null while it is pending.
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it was approved or rejected.
    pub decision_reason: Option<String>,
}

/// Requests a promotion. An equal pending request is returned unchanged, unless it rests on another revision of the alias; then it is
/// outdated and replaced.
///
/// # Errors
/// [`RunsError::UnknownVersion`], [`RunsError::VersionRetired`].
pub async fn request_promotion(conn: &mut PgConnection, promotion: &Promotion<'_>, actor: &ApiKey) -> Result<PromotionRequest, RunsError> {
    let mut tx = conn.begin().await?;
    lock_promotable(&mut tx, promotion).await?;
    let pending = sqlx::query!(
        "SELECT id, alias_revision FROM promotion_requests WHERE model = $1 AND alias = $2 AND number = $3 AND state = 'pending'",
        promotion.model,
        promotion.alias,
        promotion.number
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(pending) = pending {
        if pending.alias_revision == promotion.revision {
            return get_promotion_request(&mut tx, promotion.model, pending.id).await;
        }
        decide(&mut tx, pending.id, "outdated", actor, Some("the alias has changed since")).await?;
    }
    let id = Uuid::now_v7();
    sqlx::query!(
        r#"
        INSERT INTO promotion_requests (id, model, alias, number, alias_revision, requested_by, requested_by_key, reason, gate, overridden)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        "#,
        id,
        promotion.model,
        promotion.alias,
        promotion.number,
        promotion.revision,
        actor.name,
        actor.id,
        promotion.reason,
        promotion.gate,
        promotion.overridden
    )
    .execute(&mut *tx)
    .await?;
    let details = json!({ "request": id, "number": promotion.number, "reason": promotion.reason, "overridden": promotion.overridden });
    let subject = format!("{}/{}", promotion.model, promotion.alias);
    record_audit(&mut tx, &actor.name, "model.promotion.request", &subject, &details).await?;
    let request = get_promotion_request(&mut tx, promotion.model, id).await?;
    tx.commit().await?;
    Ok(request)
}

/// Approves a request and sets the alias.
///
/// # Errors
/// [`RunsError::UnknownPromotionRequest`], [`RunsError::PromotionDecided`], [`RunsError::OwnPromotion`] for the key that requested it,
/// [`RunsError::AliasChanged`] when the alias has changed since the request, [`RunsError::VersionRetired`].
pub async fn approve_promotion(
    conn: &mut PgConnection,
    model: &str,
    id: Uuid,
    actor: &ApiKey,
    reason: Option<&str>,
) -> Result<(PromotionRequest, Alias), RunsError> {
    let mut tx = conn.begin().await?;
    let (request, requested_by_key) = lock_pending(&mut tx, model, id).await?;
    if requested_by_key == actor.id {
        return Err(RunsError::OwnPromotion(id));
    }
    decide(&mut tx, id, "approved", actor, reason).await?;
    let recorded = format!(
        "requested by {}{}",
        request.requested_by,
        request.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"))
    );
    let promotion = Promotion {
        model,
        alias: &request.alias,
        number: request.number,
        revision: request.alias_revision,
        actor: &actor.name,
        reason: Some(&recorded),
        gate: request.gate.as_ref(),
        overridden: request.overridden,
    };
    let alias = promote(&mut tx, &promotion).await?;
    let request = get_promotion_request(&mut tx, model, id).await?;
    tx.commit().await?;
    Ok((request, alias))
}

/// Rejects a request.
///
/// # Errors
/// [`RunsError::UnknownPromotionRequest`], [`RunsError::PromotionDecided`].
pub async fn reject_promotion(
    conn: &mut PgConnection,
    model: &str,
    id: Uuid,
    actor: &ApiKey,
    reason: &str,
) -> Result<PromotionRequest, RunsError> {
    let mut tx = conn.begin().await?;
    let (request, _) = lock_pending(&mut tx, model, id).await?;
    decide(&mut tx, id, "rejected", actor, Some(reason)).await?;
    let details = json!({ "request": id, "number": request.number, "reason": reason });
    record_audit(&mut tx, &actor.name, "model.promotion.reject", &format!("{model}/{}", request.alias), &details).await?;
    let request = get_promotion_request(&mut tx, model, id).await?;
    tx.commit().await?;
    Ok(request)
}

/// Reads a request.
///
/// # Errors
/// [`RunsError::UnknownPromotionRequest`].
pub async fn get_promotion_request(conn: &mut PgConnection, model: &str, id: Uuid) -> Result<PromotionRequest, RunsError> {
    select(conn, model, Some(id), None, None, 1).await?.pop().ok_or(RunsError::UnknownPromotionRequest(id))
}

/// Lists the requests of a model, newest first.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_promotion_requests(
    conn: &mut PgConnection,
    model: &str,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PromotionRequest>, RunsError> {
    select(conn, model, None, state, before, limit).await
}

async fn select(
    conn: &mut PgConnection,
    model: &str,
    id: Option<Uuid>,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PromotionRequest>, RunsError> {
    let requests = sqlx::query_as!(
        PromotionRequest,
        r#"
        SELECT id, model, alias, number, state, alias_revision, requested_by, requested_at, reason, gate, overridden, decided_by,
            decided_at, decision_reason
        FROM promotion_requests
        WHERE model = $1
            AND ($2::uuid IS NULL OR id = $2)
            AND ($3::text IS NULL OR state = $3)
            AND ($4::uuid IS NULL OR id < $4)
        ORDER BY id DESC
        LIMIT $5
        "#,
        model,
        id,
        state,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(requests)
}

/// Locks a pending request. The row of the model is locked first, in the order of every change of an alias.
async fn lock_pending(conn: &mut PgConnection, model: &str, id: Uuid) -> Result<(PromotionRequest, Uuid), RunsError> {
    lock_model(conn, model).await?;
    let request = get_promotion_request(&mut *conn, model, id).await?;
    if request.state != "pending" {
        return Err(RunsError::PromotionDecided { id, state: request.state });
    }
    let key = sqlx::query_scalar!("SELECT requested_by_key FROM promotion_requests WHERE id = $1", id).fetch_one(conn).await?;
    Ok((request, key))
}

async fn decide(conn: &mut PgConnection, id: Uuid, state: &str, actor: &ApiKey, reason: Option<&str>) -> Result<(), RunsError> {
    let decided = sqlx::query!(
        r#"
        UPDATE promotion_requests
        SET state = $2, decided_by = $3, decided_by_key = $4, decided_at = clock_timestamp(), decision_reason = $5
        WHERE id = $1 AND state = 'pending'
        "#,
        id,
        state,
        actor.name,
        actor.id,
        reason
    )
    .execute(conn)
    .await?;
    ensure_one_row(&decided, || RunsError::UnknownPromotionRequest(id))
}
