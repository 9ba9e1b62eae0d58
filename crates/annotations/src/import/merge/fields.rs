//! Fields named by the file: inferred if new, never changed if known.

use aprendiz_text::{choose, count};
use sqlx::{PgConnection, Row};

use crate::fields::FieldKind;
use crate::import::merge::canonical_values;
use crate::import::merge::suspicious_values::similar_fields;
use crate::import::report::NewField;

/// Creates the new fields of the file, and returns them with warnings about values that contradict known fields.
pub(super) async fn merge_fields(conn: &mut PgConnection, source: &str) -> Result<(Vec<NewField>, Vec<String>), sqlx::Error> {
    observe_fields(conn).await?;
    canonical_values::canonicalize(conn).await?;
    let mut warnings = find_contradictions(conn).await?;
    let new_fields = sqlx::query_as(
        // ordered by name, so that two imports that create the same fields do not deadlock
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field, kind, cardinality FROM seen_fields ORDER BY field
         ON CONFLICT (name) DO NOTHING
         RETURNING name, kind, cardinality",
    )
    .fetch_all(&mut *conn)
    .await?;
    let of_file: Vec<String> = sqlx::query_scalar("SELECT field FROM seen_fields").fetch_all(&mut *conn).await?;
    warnings.extend(similar_fields(conn, of_file.iter().map(String::as_str)).await?);
    find_project_fields(conn, source).await?;
    Ok((new_fields, warnings))
}

/// Inserts version 1 of the definition of each new field. The position lock must be held.
pub(in crate::import) async fn insert_definitions(conn: &mut PgConnection, new_fields: &[NewField]) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = new_fields.iter().map(|field| field.name.as_str()).collect();
    sqlx::query(
        "INSERT INTO field_definitions (field, version, kind, cardinality, allowed_values, declared, actor, position)
         SELECT n.name, 1, n.kind, n.cardinality, n.allowed_values, n.declared, 'import', nextval('positions')
         FROM (
             SELECT name, kind, cardinality, allowed_values, declared
             FROM fields
             WHERE name = ANY($1)
             ORDER BY name
         ) n",
    )
    .bind(names)
    .execute(conn)
    .await?;
    Ok(())
}

/// Infers kind and cardinality of the fields from the values of the file.
async fn observe_fields(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        // reviews are more reliable than predictions: predictions count only for fields without reviews
        "INSERT INTO seen_fields (field, has_control, kind, cardinality)
         SELECT field, bool_or(has_control),
                CASE WHEN bool_or(kind = 'categorical') THEN 'categorical'
                     WHEN coalesce(bool_and(kind = 'date') FILTER (WHERE reviewed), bool_and(kind = 'date')) THEN 'date'
                     WHEN coalesce(bool_and(kind = 'number') FILTER (WHERE reviewed), bool_and(kind = 'number')) THEN 'number'
                     ELSE 'text' END::field_kind,
                CASE WHEN bool_or(cardinality(coalesce(written, value)) > 1) THEN 'many' ELSE 'one' END::field_cardinality
         FROM (
             -- a label whose only places were left out says nothing about its field
             SELECT task_index, field, has_control, kind, value, written, true AS reviewed FROM staged_values WHERE has_control OR NOT unresolved
             UNION ALL
             SELECT task_index, field, has_control, kind, value, written, false FROM staged_predictions
         ) staged
         JOIN targets USING (task_index)
         GROUP BY field",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds the fields of each project: those of this file, and those that are already reviewed in the project.
async fn find_project_fields(conn: &mut PgConnection, source: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO project_fields (project, field, field_index, has_control)
         SELECT f.project, f.field, row_number() OVER (PARTITION BY f.project ORDER BY f.field COLLATE \"C\") - 1, coalesce(s.has_control, false)
         FROM (
             -- distinct by hashing first, so that the union sorts less
             SELECT *
             FROM (
                 SELECT t.project, a.field
                 FROM staged_values a
                 JOIN targets t USING (task_index)
                 WHERE a.has_control OR NOT a.unresolved
                 GROUP BY t.project, a.field
             ) a
             UNION
             SELECT * FROM (SELECT t.project, p.field FROM staged_predictions p JOIN targets t USING (task_index) GROUP BY t.project, p.field) p
             UNION
             SELECT p.project, f.name
             FROM (SELECT DISTINCT project FROM targets) p
             CROSS JOIN fields f
             WHERE EXISTS (
                 SELECT FROM documents d
                 JOIN annotations a ON a.document_id = d.id
                 WHERE d.source = $1 AND d.project = p.project AND a.field = f.name AND a.event_position IS NOT NULL
             )
         ) f
         LEFT JOIN seen_fields s USING (field)",
    )
    .bind(source)
    .execute(conn)
    .await?;
    Ok(())
}

/// Warns about fields whose values contradict the known definition.
async fn find_contradictions(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        // any value is valid for a text field, even if the file happens to have only dates or numbers in it
        "SELECT f.name, f.kind, s.kind AS seen_kind, f.kind <> s.kind AND f.kind <> 'text' AS other_kind,
                f.cardinality = 'one' AND s.cardinality = 'many' AS too_many
         FROM seen_fields s
         JOIN fields f ON f.name = s.field
         ORDER BY f.name",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut warnings = Vec::new();
    for row in &rows {
        let name: String = row.try_get("name")?;
        if row.try_get("other_kind")? {
            let (known, seen): (FieldKind, FieldKind) = (row.try_get("kind")?, row.try_get("seen_kind")?);
            warnings.push(format!("field {name} is of kind {}, but the values of this file look like {}", known.as_str(), seen.as_str()));
        }
        if row.try_get("too_many")? {
            warnings.push(format!("field {name} has cardinality one, but some tasks of this file have several values"));
        }
    }
    let not_allowed = sqlx::query(
        "SELECT f.name, count(*) AS values
         FROM staged_values a
         JOIN targets t USING (task_index)
         JOIN fields f ON f.name = a.field
         WHERE f.allowed_values IS NOT NULL AND NOT a.value <@ f.allowed_values
           AND NOT comparable_values(a.value) <@ comparable_values(f.allowed_values)
         GROUP BY f.name
         ORDER BY f.name",
    )
    .fetch_all(conn)
    .await?;
    for row in &not_allowed {
        let (name, values): (String, i64) = (row.try_get("name")?, row.try_get("values")?);
        warnings.push(format!(
            "field {name}: {} of this file {} not among the allowed values",
            count(values.unsigned_abs(), "value"),
            choose(values.unsigned_abs(), "is", "are")
        ));
    }
    Ok(warnings)
}
