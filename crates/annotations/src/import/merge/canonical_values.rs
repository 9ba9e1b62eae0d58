//! Writes the staged values of number and date fields in their canonical form, before they are stored or compared.
//!
//! Most values of a Label Studio file were staged in this form. Only those that look like another kind than that of their field are written
//! again.

use aprendiz_annotation_types::canonical_value;
use sqlx::{PgConnection, Row};

use crate::fields::FieldKind;

/// Statements for one column of values: the first finds values that may not be in canonical form, the second replaces them. `$condition`
/// selects the rows whose values may be in another form.
macro_rules! column {
    ($table:literal, $column:literal, $condition:literal) => {
        (
            concat!(
                "SELECT DISTINCT k.kind, v.value
                 FROM ",
                $table,
                " s
                 JOIN canonical_kinds k USING (field)
                 CROSS JOIN LATERAL unnest(s.",
                $column,
                ") AS v (value)
                 WHERE ",
                $condition,
                " AND v.value !~ CASE WHEN k.kind = 'number' THEN '^(0|-?[1-9][0-9]{0,14}|-?(0|[1-9][0-9]{0,6})[.][0-9]{0,6}[1-9])$'
                                       ELSE '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' END"
            ),
            concat!(
                "UPDATE ",
                $table,
                " s
                 SET ",
                $column,
                " = (
                     SELECT array_agg(u.value ORDER BY u.index)
                     FROM (
                         SELECT coalesce(m.canonical, v.value) AS value, min(v.index) AS index
                         FROM unnest(s.",
                $column,
                ") WITH ORDINALITY AS v (value, index)
                         LEFT JOIN canonical_forms m ON m.kind = k.kind::text AND m.written = v.value
                         GROUP BY 1
                     ) u
                 )
                 FROM canonical_kinds k
                 WHERE k.field = s.field AND ",
                $condition,
                "
                   AND EXISTS (SELECT FROM unnest(s.",
                $column,
                ") AS v (value) JOIN canonical_forms m ON m.kind = k.kind::text AND m.written = v.value)"
            ),
        )
    };
}

/// Statements that undo the canonical form of values whose field is of another kind.
macro_rules! restore {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " s
             SET value = s.written
             WHERE s.written IS NOT NULL AND NOT EXISTS (SELECT FROM canonical_kinds k WHERE k.field = s.field AND k.kind = s.kind)"
        )
    };
}

const RESTORE: [&str; 2] = [restore!("staged_values"), restore!("staged_predictions")];
const COLUMNS: [(&str, &str); 3] = [
    column!("staged_values", "value", "s.kind IS DISTINCT FROM k.kind"),
    column!("staged_predictions", "value", "s.kind IS DISTINCT FROM k.kind"),
    column!("staged_review_events", "value", "true"),
];
const CSV_COLUMNS: [(&str, &str); 2] = [column!("csv_cells", "accepted", "true"), column!("csv_cells", "predicted", "true")];

/// Canonicalizes the values of a Label Studio file. The kinds of its fields must be known.
pub(super) async fn canonicalize(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    canonicalize_columns(conn, &RESTORE, &COLUMNS).await
}

/// Canonicalizes the values of a legacy review file.
pub(in crate::import) async fn canonicalize_cells(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    canonicalize_columns(conn, &[], &CSV_COLUMNS).await
}

async fn canonicalize_columns(
    conn: &mut PgConnection,
    restore: &[&'static str],
    columns: &[(&'static str, &'static str)],
) -> Result<(), sqlx::Error> {
    // the definition of a known field takes precedence over what the file looks like
    sqlx::raw_sql(
        "CREATE TEMPORARY TABLE canonical_kinds ON COMMIT DROP AS
         SELECT name AS field, kind FROM fields WHERE kind IN ('number', 'date')
         UNION ALL
         SELECT s.field, s.kind
         FROM seen_fields s
         WHERE s.kind IN ('number', 'date') AND NOT EXISTS (SELECT FROM fields f WHERE f.name = s.field);
         ANALYZE canonical_kinds;
         -- with an index, because a file may write thousands of numbers in another form
         CREATE TEMPORARY TABLE canonical_forms (kind text, written text, canonical text NOT NULL, PRIMARY KEY (kind, written))
         ON COMMIT DROP",
    )
    .execute(&mut *conn)
    .await?;
    for statement in restore {
        sqlx::query(*statement).execute(&mut *conn).await?;
    }
    for (find, replace) in columns {
        let (mut kinds, mut written, mut canonical) = (Vec::new(), Vec::new(), Vec::new());
        for row in sqlx::query(*find).fetch_all(&mut *conn).await? {
            let (kind, value): (FieldKind, String) = (row.try_get("kind")?, row.try_get("value")?);
            let form = canonical_value(kind, &value);
            if form != value {
                kinds.push(kind.as_str());
                written.push(value);
                canonical.push(form);
            }
        }
        if !written.is_empty() {
            sqlx::query("INSERT INTO canonical_forms SELECT * FROM unnest($1::text[], $2::text[], $3::text[])")
                .bind(&kinds)
                .bind(&written)
                .bind(&canonical)
                .execute(&mut *conn)
                .await?;
            sqlx::raw_sql("ANALYZE canonical_forms").execute(&mut *conn).await?;
            sqlx::query(*replace).execute(&mut *conn).await?;
            sqlx::raw_sql("TRUNCATE canonical_forms").execute(&mut *conn).await?;
        }
    }
    sqlx::raw_sql("DROP TABLE canonical_kinds, canonical_forms").execute(conn).await?;
    Ok(())
}
