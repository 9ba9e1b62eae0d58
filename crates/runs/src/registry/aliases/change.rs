//! Changes of aliases. Each locks the row of the model, so that changes of one model happen one after the other.

use aprendiz_db::ensure_one_row;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::registry::aliases::alias::{Alias, find_alias};
use crate::registry::aliases::event::AliasAction;

/// A promotion that is to be recorded.
#[derive(Debug)]
pub struct Promotion<'a> {
    /// Name of the model.
    pub model: &'a str,
    /// Name of the alias.
    pub alias: &'a str,
    /// Number of the version.
    pub number: i32,
    /// Revision of the alias that the decision rests on; 0 = there was no alias.
    pub revision: i64,
    /// Who promotes.
    pub actor: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Result of the gate, if one was asked.
    pub gate: Option<&'a Value>,
    /// Whether an admin promotes against the gate.
    pub overridden: bool,
}

/// Sets an alias. Setting it to the version that it names already changes nothing.
///
/// # Errors
/// [`RunsError::AliasChanged`] when the alias is not at the given revision any more, [`RunsError::UnknownVersion`],
/// [`RunsError::VersionRetired`].
pub async fn promote(conn: &mut PgConnection, promotion: &Promotion<'_>) -> Result<Alias, RunsError> {
    let Promotion { model, alias, number, .. } = *promotion;
    let mut tx = conn.begin().await?;
    let current = lock_promotable(&mut tx, promotion).await?;
    if let Some(current) = current.as_ref().filter(|current| current.number == number) {
        return Ok(current.clone());
    }
    let change = Change {
        model,
        alias,
        action: AliasAction::Promoted,
        from: current.map(|current| current.number),
        to: Some(number),
        actor: promotion.actor,
        reason: promotion.reason,
        gate: promotion.gate,
        overridden: promotion.overridden,
    };
    let event = apply(&mut tx, &change).await?;
    tx.commit().await?;
    Ok(Alias { model: model.to_owned(), alias: alias.to_owned(), number, revision: event })
}

/// Sets an alias back to the version that it named before the current one was promoted, or to a given one that it named at some time. No gate is
/// asked, and nothing but Postgres is needed.
///
/// # Errors
/// [`RunsError::NoAlias`], [`RunsError::NothingToRollBackTo`], [`RunsError::AliasChanged`] when `revision` is given and not the current
/// one, [`RunsError::VersionRetired`].
pub async fn roll_back(
    conn: &mut PgConnection,
    model: &str,
    alias: &str,
    to: Option<i32>,
    revision: Option<i64>,
    actor: &str,
    reason: Option<&str>,
) -> Result<Alias, RunsError> {
    let mut tx = conn.begin().await?;
    let current = lock_existing(&mut tx, model, alias, revision).await?;
    let nothing = || RunsError::NothingToRollBackTo { alias: alias.to_owned(), number: current.number };
    let target = match to {
        Some(number) if number == current.number => return Ok(current),
        Some(number) => named_before(&mut tx, model, alias, number).await?.then_some(number),
        None => previous_version(&mut tx, &current).await?,
    };
    let number = target.ok_or_else(nothing)?;
    ensure_promotable(&mut tx, model, number).await?;
    let change = Change {
        model,
        alias,
        action: AliasAction::RolledBack,
        from: Some(current.number),
        to: Some(number),
        actor,
        reason,
        gate: None,
        overridden: false,
    };
    let event = apply(&mut tx, &change).await?;
    tx.commit().await?;
    Ok(Alias { model: model.to_owned(), alias: alias.to_owned(), number, revision: event })
}

/// Removes an alias.
///
/// # Errors
/// [`RunsError::NoAlias`], [`RunsError::AliasChanged`] when `revision` is given and not the current one.
pub async fn remove_alias(
    conn: &mut PgConnection,
    model: &str,
    alias: &str,
    revision: Option<i64>,
    actor: &str,
    reason: Option<&str>,
) -> Result<(), RunsError> {
    let mut tx = conn.begin().await?;
    let current = lock_existing(&mut tx, model, alias, revision).await?;
    let change = Change {
        model,
        alias,
        action: AliasAction::Removed,
        from: Some(current.number),
        to: None,
        actor,
        reason,
        gate: None,
        overridden: false,
    };
    apply(&mut tx, &change).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes version 1 champion when it is published, unless somebody has set the alias before. The caller holds the lock of the model.
pub(crate) async fn promote_first_version(conn: &mut PgConnection, model: &str, actor: &str) -> Result<(), RunsError> {
    let alias = super::CHAMPION;
    if find_alias(&mut *conn, model, alias).await?.is_some() {
        return Ok(());
    }
    let change = Change {
        model,
        alias,
        action: AliasAction::FirstVersion,
        from: None,
        to: Some(1),
        actor,
        reason: None,
        gate: None,
        overridden: false,
    };
    apply(conn, &change).await?;
    Ok(())
}

/// A change of an alias.
struct Change<'a> {
    model: &'a str,
    alias: &'a str,
    action: AliasAction,
    from: Option<i32>,
    to: Option<i32>,
    actor: &'a str,
    reason: Option<&'a str>,
    gate: Option<&'a Value>,
    overridden: bool,
}

/// Records a change: the event, the alias and the audit entry. Returns the id of the event. The caller holds the lock of the model.
async fn apply(conn: &mut PgConnection, change: &Change<'_>) -> Result<i64, RunsError> {
    let event = sqlx::query_scalar!(
        r#"
        INSERT INTO alias_events (model, alias, action, from_number, to_number, actor, reason, gate, overridden)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        RETURNING id
        "#,
        change.model,
        change.alias,
        change.action.as_str(),
        change.from,
        change.to,
        change.actor,
        change.reason,
        change.gate,
        change.overridden
    )
    .fetch_one(&mut *conn)
    .await?;
    let changed = match change.to {
        Some(number) => {
            sqlx::query!(
                r#"
                INSERT INTO model_aliases (model, alias, number, revision) VALUES ($1, $2, $3, $4)
                ON CONFLICT (model, alias) DO UPDATE SET number = excluded.number, revision = excluded.revision
                "#,
                change.model,
                change.alias,
                number,
                event
            )
            .execute(&mut *conn)
            .await?
        }
        None => {
            sqlx::query!("DELETE FROM model_aliases WHERE model = $1 AND alias = $2", change.model, change.alias)
                .execute(&mut *conn)
                .await?
        }
    };
    ensure_one_row(&changed, || RunsError::NoAlias { model: change.model.to_owned(), alias: change.alias.to_owned() })?;
    let details = json!({
        "from": change.from, "to": change.to, "action": change.action.as_str(), "reason": change.reason, "overridden": change.overridden,
    });
    record_audit(conn, change.actor, "model.alias", &format!("{}/{}", change.model, change.alias), &details).await?;
    Ok(event)
}

/// Locks the model, and checks that the alias is at the revision that the promotion rests on and that the version may be promoted. Returns the
/// alias, if it exists.
pub(super) async fn lock_promotable(conn: &mut PgConnection, promotion: &Promotion<'_>) -> Result<Option<Alias>, RunsError> {
    let current = lock_alias(conn, promotion.model, promotion.alias).await?;
    if current.as_ref().map_or(0, |current| current.revision) != promotion.revision {
        return Err(RunsError::AliasChanged { alias: promotion.alias.to_owned(), number: current.map(|current| current.number) });
    }
    ensure_promotable(conn, promotion.model, promotion.number).await?;
    Ok(current)
}

/// Locks the model, and reads an alias that must exist, at this revision if one is given.
async fn lock_existing(conn: &mut PgConnection, model: &str, alias: &str, revision: Option<i64>) -> Result<Alias, RunsError> {
    let Some(current) = lock_alias(conn, model, alias).await? else {
        return Err(RunsError::NoAlias { model: model.to_owned(), alias: alias.to_owned() });
    };
    if revision.is_some_and(|revision| revision != current.revision) {
        return Err(RunsError::AliasChanged { alias: alias.to_owned(), number: Some(current.number) });
    }
    Ok(current)
}

/// Locks the model until the transaction ends.
pub(crate) async fn lock_model(conn: &mut PgConnection, model: &str) -> Result<(), RunsError> {
    let locked = sqlx::query!(r#"SELECT 1 AS "locked!" FROM models WHERE name = $1 FOR UPDATE"#, model).fetch_optional(conn).await?;
    locked.map(|_| ()).ok_or_else(|| RunsError::UnknownModel(model.to_owned()))
}

/// Locks the model until the transaction ends, and reads its alias.
async fn lock_alias(conn: &mut PgConnection, model: &str, alias: &str) -> Result<Option<Alias>, RunsError> {
    lock_model(&mut *conn, model).await?;
    find_alias(conn, model, alias).await
}

async fn ensure_promotable(conn: &mut PgConnection, model: &str, number: i32) -> Result<(), RunsError> {
    let retired = sqlx::query_scalar!(
        r#"SELECT retired_at IS NOT NULL AS "retired!" FROM model_versions WHERE model = $1 AND number = $2"#,
        model,
        number
    )
    .fetch_optional(conn)
    .await?;
    match retired {
        None => Err(RunsError::UnknownVersion { model: model.to_owned(), number }),
        Some(true) => Err(RunsError::VersionRetired { model: model.to_owned(), number }),
        Some(false) => Ok(()),
    }
}

/// The version that the alias named before the current one was promoted. A rollback is not a promotion: a second one goes further back.
async fn previous_version(conn: &mut PgConnection, current: &Alias) -> Result<Option<i32>, RunsError> {
    let previous = sqlx::query_scalar!(
        r#"
        SELECT from_number
        FROM alias_events
        WHERE model = $1 AND alias = $2 AND to_number = $3 AND action <> 'rolled_back'
        ORDER BY id DESC
        LIMIT 1
        "#,
        current.model,
        current.alias,
        current.number
    )
    .fetch_optional(conn)
    .await?;
    Ok(previous.flatten())
}

/// Whether the alias named the version at some time.
async fn named_before(conn: &mut PgConnection, model: &str, alias: &str, number: i32) -> Result<bool, RunsError> {
    let named = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM alias_events WHERE model = $1 AND alias = $2 AND to_number = $3) AS "named!""#,
        model,
        alias,
        number
    )
    .fetch_one(conn)
    .await?;
    Ok(named)
}
