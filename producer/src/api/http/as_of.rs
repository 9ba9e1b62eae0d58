//! The query parameter `as_of`: a position, or a time that is resolved to one.

use aprendiz_annotation_types::parse_time;
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
            Self::Position(position) => Ok(position),
            Self::Time(time) => Ok(resolve_position(conn, Some(time)).await?),
        }
    }
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
