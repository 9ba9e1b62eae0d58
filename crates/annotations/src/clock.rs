//! Reads the clock of the database.

use aprendiz_annotation_types::Clock;
use sqlx::PgConnection;

/// Reads the clock of the database, by which times from outside are judged: it is the same for all servers.
///
/// # Errors
/// If Postgres is unavailable.
pub async fn read_clock(conn: &mut PgConnection) -> Result<Clock, sqlx::Error> {
    Ok(Clock::at(sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(conn).await?))
}
