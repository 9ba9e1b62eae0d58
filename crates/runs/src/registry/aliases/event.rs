//! The history of an alias: its changes, and those of the thresholds of the version that it named.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::error::RunsError;

/// How an alias changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AliasAction {
    /// Version 1 was published, and the settings of the model make it champion.
    FirstVersion,
    /// The alias was set.
    Promoted,
    /// The alias went back to the version before.
    RolledBack,
    /// The alias was removed.
    Removed,
    /// The alias stayed, and thresholds of its version changed. Such an entry is a row of `threshold_events`, not of `alias_events`.
    Thresholds,
}

impl AliasAction {
    /// Name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstVersion => "first_version",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Removed => "removed",
            Self::Thresholds => "thresholds",
        }
    }
}

/// A change of an alias, or of the thresholds of its version.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AliasEvent {
    /// Revision of the alias after the change. It increases with every change of the alias, and a change of thresholds leaves it.
    pub id: i64,
    /// Name of the alias.
    pub alias: String,
    /// `first_version`, `promoted`, `rolled_back`, `removed` or `thresholds`.
    #[schema(value_type = AliasAction)]
    pub action: String,
    /// Version before; null if there was none. For `thresholds`, the version that the alias named.
    pub from_number: Option<i32>,
    /// Version after; null if the alias was removed. For `thresholds`, the version that the alias named.
    pub to_number: Option<i32>,
    /// Who changed it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Result of the gate; null where none was asked.
    #[schema(value_type = Option<Object>)]
    pub gate: Option<Value>,
    /// Whether an admin promoted against the gate.
    pub overridden: bool,
    /// When, by the database clock.
    pub at: DateTime<Utc>,
    /// For `thresholds`: number of the change of the version; 0 otherwise.
    pub threshold_revision: i32,
    /// For `thresholds`: the changed fields, by name; null otherwise.
    #[schema(value_type = Option<Vec<ChangedThreshold>>)]
    pub thresholds: Option<Value>,
}

/// A changed threshold of a field in the history of an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedThreshold {
    /// The field.
    pub field: String,
    /// Target accuracy before.
    pub from_target: f64,
    /// Threshold before; null = nothing was answered.
    pub from_threshold: Option<f64>,
    /// Target accuracy since then.
    pub target: f64,
    /// Threshold since then; null = nothing is answered.
    pub threshold: Option<f64>,
}

/// Place of an entry in the history of an alias: the revision of the alias, then that of the thresholds.
pub type AliasHistoryPosition = (i64, i32);

/// Lists the history of an alias, newest first, up to and including a time, with positions below `before`. Changes of thresholds are listed if
/// the alias named their version when they were made. The first entry shows which version the alias named at that time.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_alias_events(
    conn: &mut PgConnection,
    model: &str,
    alias: &str,
    at: Option<DateTime<Utc>>,
    before: Option<AliasHistoryPosition>,
    limit: i64,
) -> Result<Vec<AliasEvent>, RunsError> {
    let events = sqlx::query_as!(
        AliasEvent,
        r#"
        WITH periods AS (
            SELECT *, lead(at) OVER (ORDER BY id) AS until FROM alias_events WHERE model = $1 AND alias = $2
        ), changes AS (
            SELECT v.number, t.revision, min(t.actor) AS actor, max(t.at) AS at,
                jsonb_agg(jsonb_build_object(
                    'field', t.field, 'from_target', t.from_target, 'from_threshold', t.from_threshold,
                    'target', t.target, 'threshold', t.threshold
                ) ORDER BY t.field COLLATE "C") AS thresholds
            FROM model_versions v JOIN threshold_events t ON t.model_version_id = v.id
            WHERE v.model = $1 AND v.number IN (SELECT to_number FROM periods)
            GROUP BY v.number, t.revision
        ), history AS (
            SELECT id, alias, action, from_number, to_number, actor, reason, gate, overridden, at,
                0 AS threshold_revision, NULL::jsonb AS thresholds
            FROM periods
            UNION ALL
            SELECT p.id, p.alias, 'thresholds', p.to_number, p.to_number, c.actor, NULL, NULL, false, c.at, c.revision, c.thresholds
            FROM periods p JOIN changes c ON c.number = p.to_number AND c.at >= p.at AND (p.until IS NULL OR c.at < p.until)
        )
        SELECT id AS "id!", alias AS "alias!", action AS "action!", from_number, to_number, actor AS "actor!", reason, gate,
            overridden AS "overridden!", at AS "at!", threshold_revision AS "threshold_revision!", thresholds
        FROM history
        WHERE ($3::timestamptz IS NULL OR at <= $3)
            AND ($4::bigint IS NULL OR (id, threshold_revision) < ($4, $5::int))
        ORDER BY id DESC, threshold_revision DESC
        LIMIT $6
        "#,
        model,
        alias,
        at,
        before.map(|(id, _)| id),
        before.map(|(_, revision)| revision),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(events)
}
