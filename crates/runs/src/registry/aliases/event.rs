//! The history of an alias.

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
        }
    }
}

/// A change of an alias.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AliasEvent {
    /// Id of the event; increases with every change. It is the revision of the alias after the change.
    pub id: i64,
    /// Name of the alias.
    pub alias: String,
    /// `first_version`, `promoted`, `rolled_back` or `removed`.
    #[schema(value_type = AliasAction)]
    pub action: String,
    /// Version before; null if there was none.
    pub from_number: Option<i32>,
    /// Version after; null if the alias was removed.
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
}

/// Lists the changes of an alias, newest first, up to and including a time, with ids below `before`. The first one says which version the
/// alias named at that time.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_alias_events(
    conn: &mut PgConnection,
    model: &str,
    alias: &str,
    at: Option<DateTime<Utc>>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<AliasEvent>, RunsError> {
    let events = sqlx::query_as!(
        AliasEvent,
        r#"
        SELECT id, alias, action, from_number, to_number, actor, reason, gate, overridden, at
        FROM alias_events
        WHERE model = $1 AND alias = $2
            AND ($3::timestamptz IS NULL OR at <= $3)
            AND ($4::bigint IS NULL OR id < $4)
        ORDER BY id DESC
        LIMIT $5
        "#,
        model,
        alias,
        at,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(events)
}
