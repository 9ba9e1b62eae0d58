//! Reports copies, large groups of near-duplicates and empty splits of an import, because they decide what a model can be measured on.

use aprendiz_text::{choose, count};
use sqlx::{PgConnection, Row};

/// A group is large from this number of documents of the file on, and if it has at least a fifth of them.
const MIN_LARGE_GROUP: i64 = 10;
/// Number of documents from which on a project without documents in a split is reported.
const MIN_PROJECT: i64 = 10;
/// Maximum number of large groups and of projects reported.
const MAX_LISTED: i64 = 3;

/// Describes the copies of the import. The splits of its documents must be inserted.
pub(in crate::import) async fn describe_copies(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut warnings = Vec::new();
    warnings.extend(known_texts(conn).await?);
    warnings.extend(repeated_texts(conn).await?);
    warnings.extend(large_groups(conn).await?);
    warnings.extend(empty_splits(conn).await?);
    Ok(warnings)
}

/// New documents whose text another document has, which was there before the import.
async fn known_texts(conn: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) AS copies, (array_agg(n.name ORDER BY a.ordinal))[1] AS name, (array_agg(known.name ORDER BY a.ordinal))[1] AS known
         FROM arrivals a
         CROSS JOIN LATERAL (SELECT source || '/' || project || '/' || task_id AS name FROM documents WHERE id = a.document_id) n
         CROSS JOIN LATERAL (
             SELECT d.source || '/' || d.project || '/' || d.task_id AS name
             FROM document_sketches k
             JOIN documents d ON d.id = k.document_id
             WHERE k.sketch_id = a.sketch_id
               AND NOT EXISTS (SELECT FROM arrivals other WHERE other.document_id = k.document_id AND other.is_new)
               AND NOT EXISTS (SELECT FROM document_sketches newer WHERE newer.document_id = k.document_id AND newer.version > k.version)
             ORDER BY d.id
             LIMIT 1
         ) known
         WHERE a.is_new AND a.is_known",
    )
    .fetch_one(conn)
    .await?;
    let copies: i64 = row.try_get("copies")?;
    if copies == 0 {
        return Ok(None);
    }
    let (name, known): (String, String) = (row.try_get("name")?, row.try_get("known")?);
    let copies = copies.unsigned_abs();
    let texts = format!("{} {}", count(copies, "text"), choose(copies, "is", "are"));
    Ok(Some(format!(
        "{texts} here already under other ids, for example {name} is {known}: such copies share a split and count once in \
         thresholds, intervals, n and min_support; if the file comes from a server that moved, keep only one of the two"
    )))
}

/// New documents that repeat the text of another new document.
async fn repeated_texts(conn: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    let copies: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(n.documents - 1), 0)::bigint
         FROM (SELECT count(*) AS documents FROM arrivals WHERE is_new GROUP BY sketch_id) n",
    )
    .fetch_one(conn)
    .await?;
    Ok((copies > 0).then(|| {
        let repeat = if copies == 1 { "document repeats" } else { "documents repeat" };
        format!("{copies} {repeat} the text of another document of the file: they count once in thresholds, intervals, n and min_support")
    }))
}

/// Groups of near-duplicates that make up much of the file.
async fn large_groups(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT grouped.documents, grouped.split, grouped.total
         FROM (
             SELECT s.group_key, s.split::text AS split, count(*) AS documents, sum(count(*)) OVER ()::bigint AS total
             FROM arrivals a
             CROSS JOIN LATERAL (
                 SELECT group_key, split
                 FROM document_splits
                 WHERE document_id = a.document_id
                 ORDER BY version DESC
                 LIMIT 1
             ) s
             WHERE a.is_new AND s.split <> 'excluded'
             GROUP BY s.group_key, s.split
         ) grouped
         WHERE grouped.documents >= $1 AND grouped.documents * 5 >= grouped.total
         ORDER BY grouped.documents DESC, grouped.group_key
         LIMIT $2",
    )
    .bind(MIN_LARGE_GROUP)
    .bind(MAX_LISTED)
    .fetch_all(conn)
    .await?;
    let describe = |row: &sqlx::postgres::PgRow| {
        let (documents, total, split): (i64, i64, String) = (row.try_get("documents")?, row.try_get("total")?, row.try_get("split")?);
        Ok(format!(
            "{documents} of {total} new documents are one group of near-duplicates, all in {split}: they count as one example in thresholds, \
             intervals, n and min_support"
        ))
    };
    rows.iter().map(describe).collect()
}

/// Projects that got documents, but have none in a split.
async fn empty_splits(conn: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT p.source, p.project, w.split::text AS split
         FROM (SELECT DISTINCT d.source, d.project FROM arrivals a JOIN documents d ON d.id = a.document_id WHERE a.is_new) p
         CROSS JOIN (VALUES ('test'::split), ('validation'::split), ('train'::split)) w (split)
         WHERE (SELECT count(*) FROM (SELECT FROM documents d WHERE d.source = p.source AND d.project = p.project LIMIT $1) enough) >= $1
           AND NOT EXISTS (
               SELECT
               FROM documents d
               CROSS JOIN LATERAL (SELECT split FROM document_splits WHERE document_id = d.id ORDER BY version DESC LIMIT 1) s
               WHERE d.source = p.source AND d.project = p.project AND s.split = w.split
           )
         ORDER BY p.source, p.project, w.split DESC
         LIMIT $2",
    )
    .bind(MIN_PROJECT)
    .bind(MAX_LISTED)
    .fetch_all(conn)
    .await?;
    let describe = |row: &sqlx::postgres::PgRow| {
        let (source, project, split): (String, String, String) = (row.try_get("source")?, row.try_get("project")?, row.try_get("split")?);
        let effect = match split.as_str() {
            "test" => "a model of it alone cannot be measured",
            "train" => "a model of it alone cannot be trained",
            _ => "a model of it alone has no validation metrics",
        };
        Ok(format!(
            "project {source}/{project} has no documents in {split}: {effect}; import documents that are not near-duplicates of these"
        ))
    };
    rows.iter().map(describe).collect()
}
