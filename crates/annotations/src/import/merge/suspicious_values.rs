//! Warnings about names and labels of a file that are easily mistaken for one another, or for a missing value.

use std::collections::BTreeMap;

use aprendiz_annotation_types::{derive_field_name, display_label, look_alike_groups, resembles_missing_word};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// Maximum number of distinct values that are compared, and of warnings of each kind.
const MAX_VALUES: i64 = 100_000;
const MAX_WARNINGS: usize = 10;
/// Maximum number of labels listed in a warning.
const MAX_LISTED: usize = 10;

/// Warns about fields whose names are equal but for case and punctuation, if one of them occurs in the file.
pub(in crate::import) async fn similar_fields<'f>(
    conn: &mut PgConnection,
    of_file: impl IntoIterator<Item = &'f str>,
) -> Result<Vec<String>, sqlx::Error> {
    let names = sqlx::query_scalar!(r#"SELECT name FROM fields ORDER BY name COLLATE "C""#).fetch_all(conn).await?;
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in &names {
        groups.entry(derive_field_name(name).unwrap_or_else(|| name.clone())).or_default().push(name);
    }
    let of_file: std::collections::BTreeSet<&str> = of_file.into_iter().collect();
    let similar = groups.into_values().filter(|group| group.len() > 1 && group.iter().any(|name| of_file.contains(name)));
    let warnings = similar.take(MAX_WARNINGS).map(|group| {
        format!(
            "fields `{}` have names that differ only in case or punctuation: if they are one field, use one name; otherwise rename one, because \
             DuckDB, Spark and other readers of snapshots ignore case",
            group.join("`, `")
        )
    });
    Ok(warnings.collect())
}

/// The query of the distinct values of a file, and whether they are reviewed. `$values` is a join with the rows `a` and the fields `k`.
macro_rules! distinct_values {
    ($values:literal) => {
        concat!(
            "SELECT a.field, k.kind = 'categorical' AS is_label, v.value, bool_or(a.is_reviewed) AS is_reviewed
             FROM ",
            $values,
            " CROSS JOIN LATERAL unnest(a.value) AS v (value)
             WHERE (k.kind = 'categorical' AND length(v.value) <= 200) OR length(v.value) <= 16
             GROUP BY a.field, k.kind, v.value
             ORDER BY a.field, v.value COLLATE \"C\"
             LIMIT $1"
        )
    };
}

/// Warns about labels that look alike, and about values that look like words for a missing value, of a Label Studio file. `all_staged` is
/// whether all tasks are imported that were staged; otherwise a task that is left out may be the one with the first value of a label.
pub(super) async fn suspicious_values(conn: &mut PgConnection, all_staged: bool) -> Result<Vec<String>, sqlx::Error> {
    let values = distinct_values!(
        "(
             SELECT task_index, field, value, true AS is_reviewed, may_have_new_label, has_missing_word FROM staged_values
             UNION ALL
             SELECT task_index, field, value, false, may_have_new_label, false FROM staged_predictions
         ) a
         JOIN fields k ON k.name = a.field AND (a.has_missing_word OR ((a.may_have_new_label OR NOT $2) AND a.field = ANY($3)))
         JOIN targets USING (task_index)"
    );
    // as a list, so that a scan of the values can leave out those of other fields
    let categorical = sqlx::query_scalar!("SELECT name FROM fields WHERE kind = 'categorical'").fetch_all(&mut *conn).await?;
    let rows = sqlx::query(values).bind(MAX_VALUES).bind(all_staged).bind(categorical).fetch_all(conn).await?;
    describe_values(&rows)
}

/// The same for a legacy review file.
pub(in crate::import) async fn suspicious_cells(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let values = distinct_values!(
        "(
             SELECT row, field, accepted AS value, true AS is_reviewed FROM csv_cells
             UNION ALL
             SELECT row, field, predicted, false FROM csv_cells
         ) a
         JOIN csv_rows r ON r.row = a.row AND r.document_id IS NOT NULL
         JOIN fields k ON k.name = a.field"
    );
    let rows = sqlx::query(values).bind(MAX_VALUES).fetch_all(conn).await?;
    describe_values(&rows)
}

fn describe_values(rows: &[PgRow]) -> Result<Vec<String>, sqlx::Error> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (field, value): (String, String) = (row.try_get("field")?, row.try_get("value")?);
        if row.try_get("is_reviewed")? && resembles_missing_word(&value) {
            words.entry(field.clone()).or_default().push(value.clone());
        }
        if row.try_get("is_label")? {
            labels.entry(field).or_default().push(value);
        }
    }
    let mut warnings = Vec::new();
    for (field, labels) in &labels {
        for group in look_alike_groups(labels.iter().map(String::as_str)) {
            warnings.push(format!(
                "field {field}: the labels {} look alike and are different labels: if they mean the same, map them by a normalization of the field",
                list(group)
            ));
        }
    }
    let more = warnings.len().saturating_sub(MAX_WARNINGS);
    warnings.truncate(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("{more} more groups of labels look alike"));
    }
    let more = words.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        warnings.push(format!("{more} more fields than those listed have values that look like words for a missing value"));
    }
    for (field, words) in words.into_iter().take(MAX_WARNINGS) {
        let listed = list(words.iter().map(String::as_str).collect());
        warnings.push(format!(
            "field {field}: the values {listed} look like words for a missing value; they are kept as values, because reviewers accepted them"
        ));
    }
    Ok(warnings)
}

fn list(labels: Vec<&str>) -> String {
    let more = labels.len().saturating_sub(MAX_LISTED);
    let listed = labels.into_iter().take(MAX_LISTED).map(|label| format!("`{}`", display_label(label))).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
