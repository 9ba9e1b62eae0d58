//! Lists over all their pages.

use reqwest::Method;
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::exit::CliError;

/// Items of one page: as many as the API gives.
const PAGE: usize = 200;

/// The items of a list, at most `limit`, else all of them.
pub(crate) async fn pages(client: &Client, path: &[&str], query: &[(&str, String)], limit: Option<usize>) -> Result<Vec<Value>, CliError> {
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = limit.map_or(PAGE, |limit| (limit - items.len()).min(PAGE));
        let mut query = query.to_vec();
        query.push(("limit", wanted.to_string()));
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
