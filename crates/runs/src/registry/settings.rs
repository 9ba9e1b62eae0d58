//! Settings of a model: what it is, who owns it, and how its champion is chosen.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};
use utoipa::ToSchema;

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::registry::aliases::change::lock_model;

/// What happens to the first version of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FirstVersion {
    /// It becomes champion when it is published.
    #[default]
    Auto,
    /// Somebody promotes it.
    Manual,
}

impl FirstVersion {
    /// Name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// How later versions become champion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromotionPolicy {
    /// Somebody promotes them, through the gate.
    #[default]
    Manual,
    /// A version that passes the gate is promoted when it is published.
    Automatic,
    /// A promotion is a request that another key must approve.
    Approval,
}

impl PromotionPolicy {
    /// Name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automatic => "automatic",
            Self::Approval => "approval",
        }
    }
}

/// Settings of a model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ModelSettings {
    /// Name of the model.
    pub name: String,
    /// What the model is for.
    pub description: String,
    /// Who is responsible for it.
    pub owner: Option<String>,
    /// What happens to the first version.
    #[schema(value_type = FirstVersion)]
    pub first_version: String,
    /// How later versions become champion.
    #[schema(value_type = PromotionPolicy)]
    pub promotion: String,
    /// Rules of the gate; what is not named has its default.
    #[schema(value_type = Object)]
    pub gate: Value,
    /// Share of the predictions of the champion that are compared with those of the alias `challenger`, 0 to 1.
    pub shadow_share: f64,
    /// Increases with every change of the settings; their ETag.
    pub revision: i32,
}

/// New settings of a model.
#[derive(Debug, Clone)]
pub struct NewModelSettings {
    /// What the model is for.
    pub description: String,
    /// Who is responsible for it.
    pub owner: Option<String>,
    /// What happens to the first version.
    pub first_version: FirstVersion,
    /// How later versions become champion.
    pub promotion: PromotionPolicy,
    /// Rules of the gate.
    pub gate: Value,
    /// Share of the predictions of the champion that are compared with those of the alias `challenger`, 0 to 1.
    pub shadow_share: f64,
}

/// Reads the settings of a model; `None` when it does not exist.
///
/// # Errors
/// When Postgres does not answer.
pub async fn get_model_settings(conn: &mut PgConnection, model: &str) -> Result<Option<ModelSettings>, RunsError> {
    let settings = sqlx::query_as!(
        ModelSettings,
        "SELECT name, description, owner, first_version, promotion, gate, shadow_share, revision FROM models WHERE name = $1",
        model
    )
    .fetch_optional(conn)
    .await?;
    Ok(settings)
}

/// Replaces the settings of a model, and creates it if it does not exist, so that the rules stand before the first version. Equal settings
/// change nothing.
///
/// # Errors
/// [`RunsError::ModelChanged`] when `revision` is given and not the current one; 0 = there was no model.
pub async fn put_model_settings(
    conn: &mut PgConnection,
    model: &str,
    settings: &NewModelSettings,
    revision: Option<i32>,
    actor: &str,
) -> Result<ModelSettings, RunsError> {
    let mut tx = conn.begin().await?;
    let created = sqlx::query!("INSERT INTO models (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", model).execute(&mut *tx).await?;
    lock_model(&mut tx, model).await?;
    let current = get_model_settings(&mut tx, model).await?.ok_or_else(|| RunsError::UnknownModel(model.to_owned()))?;
    let seen = if created.rows_affected() == 1 { 0 } else { current.revision };
    if revision.is_some_and(|revision| revision != seen) {
        return Err(RunsError::ModelChanged { model: model.to_owned(), revision: current.revision });
    }
    let updated = sqlx::query_as!(
        ModelSettings,
        r#"
        UPDATE models
        SET description = $2, owner = $3, first_version = $4, promotion = $5, gate = $6, shadow_share = $7, revision = revision + 1
        WHERE name = $1 AND (description, owner, first_version, promotion, gate, shadow_share) IS DISTINCT FROM ($2, $3, $4, $5, $6, $7)
        RETURNING name, description, owner, first_version, promotion, gate, shadow_share, revision
        "#,
        model,
        settings.description,
        settings.owner,
        settings.first_version.as_str(),
        settings.promotion.as_str(),
        settings.gate,
        settings.shadow_share
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(updated) = &updated {
        record_audit(&mut tx, actor, "model.settings", model, &json!(updated)).await?;
    }
    tx.commit().await?;
    Ok(updated.unwrap_or(current))
}
