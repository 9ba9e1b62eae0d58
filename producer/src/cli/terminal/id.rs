//! IDs in tables: the whole ID, or on a terminal its last group, which every command accepts in its place.

use uuid::Uuid;

use crate::cli::terminal::settings::settings;

/// An ID in a table.
pub(crate) fn id_cell(id: &Uuid) -> String {
    let id = id.to_string();
    if settings().is_brief { shorten(&id).to_owned() } else { id }
}

/// Like [`id_cell`], for a value of an API response. A text that is no ID is returned unchanged, null is empty.
pub(crate) fn id_value_cell(value: &serde_json::Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_or_else(|_| text.to_owned(), |id: Uuid| id_cell(&id))
}

/// The last group: the first ones are the time, which IDs made in the same minute share.
fn shorten(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_the_last_group() {
        assert_eq!(shorten("01a1fd0a-322b-77a3-a61c-68ecd237a2dc"), "68ecd237a2dc");
        assert_eq!(id_cell(&Uuid::nil()), Uuid::nil().to_string(), "not on a terminal");
    }
}
