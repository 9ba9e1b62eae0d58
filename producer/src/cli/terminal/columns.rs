//! Remembers which columns the printed tables had, so that a name in `--columns` that none of them has is an error.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::cli::terminal::settings::settings;

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers the columns of a table.
pub(super) fn record(header: &[&str], requested: &[String]) {
    if requested.is_empty() {
        return;
    }
    if let Ok(mut seen) = SEEN.lock() {
        seen.extend(header.iter().map(|name| (*name).to_owned()));
    }
}

/// Whether a name on the command line is that of a column: blanks may be written as `-` or `_`.
pub(super) fn is_same_name(column: &str, name: &str) -> bool {
    let normalize = |text: &str| text.to_lowercase().replace([' ', '_'], "-");
    normalize(column) == normalize(name)
}

/// The message about requested columns that no table had; `None` = all of them were shown.
pub(crate) fn unknown_columns() -> Option<String> {
    let seen = SEEN.lock().ok()?;
    describe_unknown(&settings().columns, &seen)
}

fn describe_unknown(requested: &[String], seen: &BTreeSet<String>) -> Option<String> {
    let unknown: Vec<&str> =
        requested.iter().map(String::as_str).filter(|name| !seen.iter().any(|column| is_same_name(column, name))).collect();
    if unknown.is_empty() {
        return None;
    }
    let available = seen.iter().map(|name| name.replace(' ', "-")).collect::<Vec<_>>().join(", ");
    let available = if available.is_empty() { "this command prints no table".to_owned() } else { format!("available: {available}") };
    Some(format!("no column `{}`: {available}", unknown.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_columns_are_named_with_those_that_exist() {
        let seen = ["run", "last seen"].map(str::to_owned).into();
        let requested = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(describe_unknown(&requested(&["Last_seen", "run"]), &seen), None);
        assert_eq!(describe_unknown(&requested(&["runs"]), &seen).unwrap(), "no column `runs`: available: last-seen, run");
        assert!(describe_unknown(&requested(&["x"]), &BTreeSet::new()).unwrap().contains("no table"));
    }
}
