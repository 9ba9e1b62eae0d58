//! Cursor pagination: fetches a list page by page.

use reqwest::Method;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::client::Client;

/// Maximum page size of the API.
const MAX_PAGE_SIZE: usize = 200;

/// Fetches the items of a list: at most `limit`, or all.
pub(crate) async fn fetch_items(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    limit: Option<usize>,
) -> Result<Vec<Value>, CliError> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page_size = limit.map_or(MAX_PAGE_SIZE, |limit| (limit - items.len()).min(MAX_PAGE_SIZE));
        let mut query = query.to_vec();
        query.push(("limit", page_size.to_string()));
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let mut page: Value = client.json(client.request(Method::GET, path).query(&query)).await?;
        if let Value::Array(found) = page["items"].take() {
            items.extend(found);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() || limit.is_some_and(|limit| items.len() >= limit) {
            return Ok(items);
        }
    }
}
