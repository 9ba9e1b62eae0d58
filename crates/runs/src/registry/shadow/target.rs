//! Models whose challenger is to be compared with the champion.

use sqlx::PgConnection;

use crate::error::RunsError;
use crate::registry::aliases::CHAMPION;
use crate::registry::shadow::CHALLENGER;

/// Two versions to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowPair {
    /// Name of the model.
    pub model: String,
    /// Number of the version that answers.
    pub champion: i32,
    /// Number of the version that is compared with it.
    pub challenger: i32,
    /// Share of the inputs to compare, above 0 and up to 1.
    pub share: f64,
}

/// Lists the pairs to compare, by model: aliases that name different versions, a share above 0, and a challenger that is not retired.
///
/// # Errors
/// When Postgres does not answer.
pub async fn list_shadow_pairs(conn: &mut PgConnection) -> Result<Vec<ShadowPair>, RunsError> {
    let pairs = sqlx::query_as!(
        ShadowPair,
        r#"
        SELECT m.name AS model, champion.number AS champion, challenger.number AS challenger, m.shadow_share AS share
        FROM model_aliases challenger
        JOIN model_aliases champion ON champion.model = challenger.model AND champion.alias = $1
        JOIN models m ON m.name = challenger.model
        JOIN model_versions v ON v.model = challenger.model AND v.number = challenger.number
        WHERE challenger.alias = $2 AND challenger.number <> champion.number AND m.shadow_share > 0 AND v.retired_at IS NULL
        ORDER BY m.name
        "#,
        CHAMPION,
        CHALLENGER
    )
    .fetch_all(conn)
    .await?;
    Ok(pairs)
}
