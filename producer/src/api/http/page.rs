//! Pagination of lists: a page of items and an opaque cursor to the next page.

use chrono::{DateTime, Datelike as _, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;

const MAX_LIMIT: i64 = 200;
const DEFAULT_LIMIT: i64 = 50;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in the order of the list.
    pub(crate) items: Vec<T>,
    /// Value of `cursor` for the next page; null on the last page.
    pub(crate) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of `limit` items from a query for `limit + 1`: the extra item only shows that a next page exists.
    pub(crate) fn from_items(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Self { items, next_cursor }
    }
}

/// Validates the `limit` of a query.
pub(crate) fn checked_limit(limit: Option<i64>) -> Result<i64, ApiError> {
    match limit.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        other => Err(ApiError::unprocessable("invalid_query", format!("limit is {other}: it must be between 1 and {MAX_LIMIT}"))),
    }
}

/// Cursor of a list ordered by time, then id. Postgres stores microseconds, so the encoding is exact.
pub(crate) fn encode_cursor(at: DateTime<Utc>, id: Uuid) -> String {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&at.timestamp_micros().to_be_bytes());
    bytes[8..].copy_from_slice(id.as_bytes());
    hex::encode(bytes)
}

/// Inverse of [`encode_cursor`].
pub(crate) fn decode_cursor(cursor: &str) -> Result<(DateTime<Utc>, Uuid), ApiError> {
    let position = || {
        let mut bytes = [0; 24];
        hex::decode_to_slice(cursor, &mut bytes).ok()?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*at)).filter(|at| (1..=9999).contains(&at.year()))?;
        Some((at, Uuid::from_slice(id).ok()?))
    };
    position().ok_or_else(invalid_cursor)
}

/// Cursor of a list ordered by a single number.
pub(crate) fn encode_number_cursor(number: i64) -> String {
    hex::encode(number.to_be_bytes())
}

/// Inverse of [`encode_number_cursor`].
pub(crate) fn decode_number_cursor(cursor: &str) -> Result<i64, ApiError> {
    let mut bytes = [0; 8];
    hex::decode_to_slice(cursor, &mut bytes).map_err(|_| invalid_cursor())?;
    Ok(i64::from_be_bytes(bytes))
}

/// Cursor of a list with any other order.
pub(crate) fn encode_json_cursor(position: &impl Serialize) -> String {
    hex::encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Inverse of [`encode_json_cursor`].
pub(crate) fn decode_json_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, ApiError> {
    let position = hex::decode(cursor).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    position.ok_or_else(invalid_cursor)
}

fn invalid_cursor() -> ApiError {
    ApiError::unprocessable("invalid_query", "invalid cursor: use the `next_cursor` of the previous page, or omit it to start over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        let at = DateTime::from_timestamp_micros(1_763_700_000_123_456).unwrap();
        let id = Uuid::now_v7();
        assert_eq!(decode_cursor(&encode_cursor(at, id)).unwrap(), (at, id));
        assert!(decode_cursor("zz").is_err());
        assert!(decode_cursor("").is_err());
        // times that the database does not know
        for micros in [i64::MIN, -210_866_803_200_000_001, i64::MAX] {
            assert!(decode_cursor(&hex::encode([&micros.to_be_bytes()[..], id.as_bytes()].concat())).is_err(), "{micros}");
        }
        assert_eq!(decode_number_cursor(&encode_number_cursor(1_234_567)).unwrap(), 1_234_567);
        assert!(decode_number_cursor("zz").is_err());
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = Page::from_items(vec![1, 2, 3], 2, ToString::to_string);
        assert_eq!((page.items, page.next_cursor.as_deref()), (vec![1, 2], Some("2")));
        assert_eq!(Page::from_items(vec![1, 2], 2, ToString::to_string).next_cursor, None);
    }
}
