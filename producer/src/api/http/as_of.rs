//! The query parameter `as_of`: a position, or a time that is resolved to one.

use aprendiz_annotation_types::parse_time;
use aprendiz_annotations::read_clock;
use aprendiz_runs::resolve_position;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::api::http::error::ApiError;

/// A point in the history of annotations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AsOf {
    Position(i64),
    Time(DateTime<Utc>),
}

impl AsOf {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if let Ok(position @ 0..) = text.parse() {
            return Ok(Self::Position(position));
        }
        match parse_time(text) {
            Ok(time) => Ok(Self::Time(time)),
            Err(_) => Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_query",
                "as_of must be a position (an integer from 0) or a time such as 2026-11-21T08:00:00Z",
            )),
        }
    }

    /// The position; events above it are ignored.
    pub(crate) async fn position(self, conn: &mut PgConnection) -> Result<i64, ApiError> {
        match self {
            Self::Position(position) => {
                let latest = resolve_position(conn, None).await?;
                if position > latest {
                    let detail = format!(
                        "as_of is position {position}, but the latest position is {latest}: a time is written like 2026-11-21T08:00:00Z"
                    );
                    return Err(ApiError::unprocessable("invalid_query", detail));
                }
                Ok(position)
            }
            Self::Time(time) => {
                check_as_of(conn, time).await?;
                Ok(resolve_position(conn, Some(time)).await?)
            }
        }
    }
}

/// Rejects an `as_of` in the future: what will be written until then is not known.
pub(crate) async fn check_as_of(conn: &mut PgConnection, time: DateTime<Utc>) -> Result<(), ApiError> {
    let clock = read_clock(conn).await?;
    clock.check(time).map_err(|reason| ApiError::unprocessable("future_time", format!("as_of: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_of_is_a_position_or_a_time() {
        assert_eq!(AsOf::parse("17").unwrap(), AsOf::Position(17));
        assert!(matches!(AsOf::parse("2026-11-21T08:00:00+01:00").unwrap(), AsOf::Time(_)));
        for day in ["2026-11-21", "2026-11-21 00:00:00", "2026-11-21T00:00"] {
            assert_eq!(AsOf::parse(day).unwrap(), AsOf::parse("2026-11-21T00:00:00Z").unwrap(), "{day}");
        }
        for bad in ["-1", "", "yesterday", "21/11/2026"] {
            assert!(AsOf::parse(bad).is_err(), "{bad}");
        }
    }
}
