//! Types of all fields.

use std::collections::HashMap;

pub use aprendiz_annotation_types::FieldType;
use aprendiz_annotation_types::{Cardinality, FieldKind};
use sqlx::PgConnection;

/// Returns the types of all fields by name.
///
/// # Errors
/// When Postgres is unavailable.
pub async fn field_types(conn: &mut PgConnection) -> Result<HashMap<String, FieldType>, sqlx::Error> {
    let rows = sqlx::query!(r#"SELECT name, kind AS "kind: FieldKind", cardinality AS "cardinality: Cardinality" FROM fields"#)
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.name, FieldType { kind: row.kind, cardinality: row.cardinality })).collect())
}
