//! What fields are, by name.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::PgConnection;

use crate::fields::{Cardinality, FieldKind};

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FieldShape {
    /// What its values are; decides about the control that a task shows it with.
    pub kind: FieldKind,
    /// One value or many.
    pub cardinality: Cardinality,
}

/// What every field is.
///
/// # Errors
/// When Postgres does not answer.
pub async fn shapes(conn: &mut PgConnection) -> Result<HashMap<String, FieldShape>, sqlx::Error> {
    let rows = sqlx::query!(r#"SELECT name, kind AS "kind: FieldKind", cardinality AS "cardinality: Cardinality" FROM fields"#)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.name, FieldShape { kind: row.kind, cardinality: row.cardinality })).collect())
}
