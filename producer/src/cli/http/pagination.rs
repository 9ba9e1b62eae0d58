//! Cursor pagination: fetches a list page by page.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::client::Client;
use crate::cli::terminal::print_note;

/// Maximum page size of the API.
const MAX_PAGE_SIZE: usize = 200;

/// Items of a list.
pub(crate) struct Listed {
    pub(crate) items: Vec<Value>,
    /// Whether the list has more items than were requested.
    pub(crate) more: bool,
}

impl Listed {
    /// Reports on standard error that the list has more items.
    pub(crate) fn print_hint(&self) {
        if self.more {
            print_note(&format!("({} shown, there are more: --limit 0 shows all)", self.items.len()));
        }
    }
}

/// Fetches the items of a list: at most `limit`, or all.
pub(crate) async fn fetch_items(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    limit: Option<usize>,
) -> Result<Vec<Value>, CliError> {
    Ok(fetch(client, path, query, limit, |_| true).await?.items)
}

/// Fetches the first items of a list: at most `limit`, 0 = all. Reports whether there are more.
pub(crate) async fn fetch_list(client: &Client, path: &[&str], query: &[(&str, String)], limit: usize) -> Result<Listed, CliError> {
    fetch(client, path, query, (limit > 0).then_some(limit), |_| true).await
}

/// Fetches the newest items of a list that is sorted by the time in `key`, newest first: at most `limit` (0 = all), and none before `since`.
pub(crate) async fn fetch_newest(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    key: &str,
    since: Option<DateTime<Utc>>,
    limit: usize,
) -> Result<Listed, CliError> {
    let is_new = |item: &Value| {
        let at = item[key].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        since.is_none_or(|since| at.is_none_or(|at| at >= since))
    };
    fetch(client, path, query, (limit > 0).then_some(limit), is_new).await
}

/// Fetches items until one is not wanted; the list must be sorted so that no wanted item follows it.
async fn fetch(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    limit: Option<usize>,
    is_wanted: impl Fn(&Value) -> bool,
) -> Result<Listed, CliError> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        // one more than the limit shows whether there are more
        let page_size = limit.map_or(MAX_PAGE_SIZE, |limit| (limit + 1 - items.len()).min(MAX_PAGE_SIZE));
        let mut query = query.to_vec();
        query.push(("limit", page_size.to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value = client.json(client.request(Method::GET, path).query(&query)).await?;
        let found = match page["items"].take() {
            Value::Array(found) => found,
            _ => Vec::new(),
        };
        let count = found.len();
        let before = items.len();
        items.extend(found.into_iter().take_while(&is_wanted));
        let is_exhausted = items.len() - before < count;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if let Some(limit) = limit.filter(|limit| items.len() > *limit) {
            items.truncate(limit);
            return Ok(Listed { items, more: true });
        }
        if cursor.is_none() || is_exhausted {
            return Ok(Listed { items, more: false });
        }
    }
}
