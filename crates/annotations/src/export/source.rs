//! Sources whose documents are tasks of a Label Studio.

use aprendiz_db::Scope;
use sqlx::PgConnection;

/// Sources of Label Studio imports that have documents of the scope, of a project if one is given. Their task ids may be equal, so that one
/// task file must not hold two of them.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn label_studio_sources(conn: &mut PgConnection, scope: &Scope, project: Option<&str>) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT s.source AS "source!"
        FROM (SELECT 'label-studio' AS source UNION SELECT source FROM imports WHERE source <> 'legacy-csv') s
        WHERE EXISTS (
            SELECT FROM documents d
            WHERE d.source = s.source AND ($1::text IS NULL OR d.project = $1) AND d.withdrawn_at IS NULL
              AND ($2::text[] IS NULL OR d.project = ANY($2))
        )
        ORDER BY s.source
        "#,
        project,
        scope.projects()
    )
    .fetch_all(conn)
    .await
}
