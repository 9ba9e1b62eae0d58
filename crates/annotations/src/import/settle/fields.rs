//! Fields that the file names: guessed when new, never changed when known.

use sqlx::{PgConnection, Row};

use crate::fields::{Cardinality, FieldKind};
use crate::import::report::NewField;

/// Finds the fields of the file, creates those that are new, and warns where the file contradicts those that are known.
pub(super) async fn settle(conn: &mut PgConnection) -> Result<(Vec<NewField>, Vec<String>), sqlx::Error> {
    see(conn).await?;
    let warnings = contradictions(conn).await?;
    let created = sqlx::query(
        // by name, so that two imports that create the same fields wait for each other and not in a circle
        "INSERT INTO fields (name, kind, cardinality)
         SELECT field, kind, cardinality FROM seen_fields ORDER BY field
         ON CONFLICT (name) DO NOTHING
         RETURNING name, kind, cardinality",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut new_fields = Vec::with_capacity(created.len());
    for row in &created {
        new_fields.push(NewField {
            name: row.try_get("name")?,
            kind: row.try_get::<FieldKind, _>("kind")?,
            cardinality: row.try_get::<Cardinality, _>("cardinality")?,
        });
    }
    find_project_fields(conn).await?;
    Ok((new_fields, warnings))
}

/// Writes the first version of the definition of every field that this import created. The position lock must be held.
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

async fn see(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        // reviewers know better than extractors what a field looks like: predictions count only where nobody answered
        "INSERT INTO seen_fields (field, has_control, kind, cardinality)
         SELECT field, bool_or(has_control),
                CASE WHEN bool_or(kind = 'categorical') THEN 'categorical'
                     WHEN coalesce(bool_and(kind = 'date') FILTER (WHERE reviewed), bool_and(kind = 'date')) THEN 'date'
                     WHEN coalesce(bool_and(kind = 'number') FILTER (WHERE reviewed), bool_and(kind = 'number')) THEN 'number'
                     ELSE 'text' END::field_kind,
                CASE WHEN bool_or(cardinality(value) > 1) THEN 'many' ELSE 'one' END::field_cardinality
         FROM (
             SELECT task_index, field, has_control, kind, value, true AS reviewed FROM staged_answers
             UNION ALL
             SELECT task_index, field, has_control, kind, value, false FROM staged_predictions
         ) answers
         JOIN targets USING (task_index)
         GROUP BY field",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The fields of a project: those of this file, and those about which the project has answers already.
async fn find_project_fields(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO project_fields (project, field, place, has_control)
         SELECT f.project, f.field, row_number() OVER (PARTITION BY f.project ORDER BY f.field COLLATE \"C\") - 1, coalesce(s.has_control, false)
         FROM (
             -- distinct by hashing before the union sorts what is left
             SELECT * FROM (SELECT t.project, a.field FROM staged_answers a JOIN targets t USING (task_index) GROUP BY t.project, a.field) a
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
    .bind(crate::import::label_studio::SOURCE)
    .execute(conn)
    .await?;
    Ok(())
}

async fn contradictions(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        // any value fits a text field; a file may by chance hold only dates or numbers in it
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
            warnings.push(format!("field {name} is known as {}, but the values of this file look like {}", known.as_str(), seen.as_str()));
        }
        if row.try_get("too_many")? {
            warnings.push(format!("field {name} is known to have one value, but some tasks of this file have several"));
        }
    }
    let strangers = sqlx::query(
        "SELECT f.name, count(*) AS answers
         FROM staged_answers a
         JOIN targets t USING (task_index)
         JOIN fields f ON f.name = a.field
         WHERE f.allowed_values IS NOT NULL AND NOT a.value <@ f.allowed_values
         GROUP BY f.name
         ORDER BY f.name",
    )
    .fetch_all(conn)
    .await?;
    for row in &strangers {
        let (name, answers): (String, i64) = (row.try_get("name")?, row.try_get("answers")?);
        warnings.push(format!("field {name}: {answers} answers of this file are not among its allowed values"));
    }
    Ok(warnings)
}
