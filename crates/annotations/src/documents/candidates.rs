//! Candidates of a listing: ids of documents in their order, found by the index that fits the filter, and never more than a limit.

use aprendiz_db::Scope;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::documents::filter::DocumentFilter;

/// Maximum number of documents that one page looks at.
pub const MAX_SCANNED_DOCUMENTS: usize = 20_000;
/// Documents whose words match, above which their order is scanned instead of reading all of them from the index.
const MAX_WORD_MATCHES: usize = 10_000;

/// Ids of documents in ascending order, window by window.
pub(super) struct Candidates<'a> {
    scope: &'a Scope,
    source: Source<'a>,
    after: Uuid,
    left: usize,
}

/// Where the ids come from. The statements are separate, so that each has one plan that uses its index.
enum Source<'a> {
    All,
    Project(&'a str),
    Listed(Vec<Uuid>),
}

impl<'a> Candidates<'a> {
    /// Candidates after `after` that may match the filter.
    pub(super) async fn find(
        conn: &mut PgConnection,
        scope: &'a Scope,
        filter: &'a DocumentFilter,
        after: Option<Uuid>,
    ) -> Result<Self, sqlx::Error> {
        let after = after.unwrap_or_else(Uuid::nil);
        let source = match filter {
            DocumentFilter { project: Some(project), .. } if !scope.contains(project) => Source::Listed(Vec::new()),
            DocumentFilter { source: Some(source), project: Some(project), task_id: Some(task), .. } => {
                Source::Listed(find_task(conn, source, project, task).await?)
            }
            DocumentFilter { words: Some(words), project, .. } => match find_words(conn, scope, words).await? {
                Some(ids) => Source::Listed(ids),
                None => project.as_deref().map_or(Source::All, Source::Project),
            },
            DocumentFilter { project: Some(project), .. } => Source::Project(project),
            _ => Source::All,
        };
        Ok(Self { scope, source, after, left: MAX_SCANNED_DOCUMENTS })
    }

    /// The next ids, at most `size`. Empty at the end, or when the limit is reached.
    pub(super) async fn next(&mut self, conn: &mut PgConnection, size: usize) -> Result<Vec<Uuid>, sqlx::Error> {
        let size = size.min(self.left);
        if size == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(size).unwrap_or(i64::MAX);
        let ids = match &self.source {
            Source::All => {
                sqlx::query_scalar!(
                    "SELECT id FROM documents WHERE id > $1 AND ($3::text[] IS NULL OR project = ANY($3)) ORDER BY id LIMIT $2",
                    self.after,
                    limit,
                    self.scope.projects()
                )
                .fetch_all(conn)
                .await?
            }
            Source::Project(project) => {
                sqlx::query_scalar!(
                    "SELECT id FROM documents WHERE project = $1 AND id > $2 ORDER BY id LIMIT $3",
                    *project,
                    self.after,
                    limit
                )
                .fetch_all(conn)
                .await?
            }
            Source::Listed(ids) => {
                let start = ids.partition_point(|id| *id <= self.after);
                ids[start..].iter().take(size).copied().collect()
            }
        };
        self.left -= ids.len();
        if let Some(last) = ids.last() {
            self.after = *last;
        }
        Ok(ids)
    }

    /// The last id that was returned if the limit was reached, so that the next page continues there.
    pub(super) fn stopped_at(&self) -> Option<Uuid> {
        (self.left == 0).then_some(self.after)
    }
}

async fn find_task(conn: &mut PgConnection, source: &str, project: &str, task: &str) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("SELECT id FROM documents WHERE source = $1 AND project = $2 AND task_id = $3", source, project, task)
        .fetch_all(conn)
        .await
}

/// Documents whose words match, in ascending order; `None` if there are too many to list. A text without words matches nothing.
async fn find_words(conn: &mut PgConnection, scope: &Scope, words: &str) -> Result<Option<Vec<Uuid>>, sqlx::Error> {
    let Some(query) = word_query(conn, words).await? else {
        return Ok(Some(Vec::new()));
    };
    // materialized: the order of the ids must not make the planner read all documents in that order
    let mut ids = sqlx::query_scalar!(
        r#"
        WITH found AS MATERIALIZED (
            SELECT id FROM documents
            WHERE to_tsvector('simple', regexp_replace(left(coalesce(file_name, '') || ' ' || project || ' ' || task_id || ' ' || metadata::text, 20000), '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF]+', ' ', 'g'))
                @@ $1::text::tsquery
                AND ($3::text[] IS NULL OR project = ANY($3))
            LIMIT $2
        )
        SELECT id AS "id!" FROM found ORDER BY id
        "#,
        query,
        i64::try_from(MAX_WORD_MATCHES + 1).unwrap_or(i64::MAX),
        scope.projects()
    )
    .fetch_all(conn)
    .await?;
    ids.sort_unstable();
    Ok((ids.len() <= MAX_WORD_MATCHES).then_some(ids))
}

/// The query of the words, each as the start of a word; `None` without words. Words are found by the same rules as in the index.
pub(super) async fn word_query(conn: &mut PgConnection, words: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT to_tsquery('simple', string_agg('''' || word || ''':*', ' & '))::text
        FROM regexp_split_to_table(
            regexp_replace($1, '[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF]+', ' ', 'g'), ' '
        ) AS word
        WHERE word <> ''
        "#,
        words
    )
    .fetch_one(conn)
    .await
    .map(|query| query.filter(|query| !query.is_empty()))
}
