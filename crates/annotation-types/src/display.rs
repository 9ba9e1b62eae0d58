//! Labels and values as shown to people, and labels that look alike.
//!
//! "No value" is shown as [`NO_VALUE`]. No label has this form, because a label that could be mistaken is shown in quotation marks.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use crate::comparison::is_invisible;

/// The answer "there is no value".
pub const NO_VALUE: &str = "∅ (no value)";

/// A label or value. One that could be mistaken, or that has control or invisible characters, is shown in quotation marks with escapes.
#[must_use]
pub fn display_label(label: &str) -> Cow<'_, str> {
    let is_mistakable = label.is_empty()
        || label.starts_with(['∅', '"'])
        || label.trim() != label
        || matches!(label, "-" | "unreviewed" | "undone" | "(erased)")
        || label.contains(" | ")
        || label.contains(", ");
    if !is_mistakable && !label.chars().any(is_unprintable) {
        return Cow::Borrowed(label);
    }
    let mut shown = String::with_capacity(label.len() + 2);
    shown.push('"');
    for character in label.chars() {
        match character {
            '"' | '\\' => shown.extend(['\\', character]),
            _ => push_escaped(&mut shown, character),
        }
    }
    shown.push('"');
    Cow::Owned(shown)
}

/// A label; `None` is "no value".
#[must_use]
pub fn display_optional_label(label: Option<&str>) -> Cow<'_, str> {
    label.map_or(Cow::Borrowed(NO_VALUE), display_label)
}

/// The values of a field, separated by ` | `; an empty list is "no value".
pub fn display_values<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let shown: Vec<Cow<'_, str>> = values.into_iter().map(display_label).collect();
    if shown.is_empty() { NO_VALUE.to_owned() } else { shown.join(" | ") }
}

/// A text on one line: control and invisible characters are escaped.
#[must_use]
pub fn escape_unprintable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    text.chars().for_each(|character| push_escaped(&mut escaped, character));
    Cow::Owned(escaped)
}

/// Labels with the same key look alike: they differ only in case, accents' encoding, width, white space or invisible characters.
#[must_use]
pub fn look_alike_key(label: &str) -> String {
    let visible: String = label.nfkc().filter(|character| !is_hidden(*character)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().nfkc().collect()
}

/// Groups of labels that look alike, sorted; each has at least two labels.
#[must_use]
pub fn look_alike_groups<'l>(labels: impl IntoIterator<Item = &'l str>) -> Vec<Vec<&'l str>> {
    let mut groups = BTreeMap::<String, BTreeSet<&str>>::new();
    for label in labels {
        groups.entry(look_alike_key(label)).or_default().insert(label);
    }
    groups.into_values().filter(|group| group.len() > 1).map(|group| group.into_iter().collect()).collect()
}

fn push_escaped(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        _ if is_unprintable(character) => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        _ => shown.push(character),
    }
}

/// Whether a character breaks a line, is invisible, or looks like a blank without being one.
fn is_unprintable(character: char) -> bool {
    character.is_control() || is_hidden(character) || (character != ' ' && character.is_whitespace())
}

/// Whether a character is not visible: in addition to those of [`crate::is_invisible`], fillers, variation selectors and tags.
fn is_hidden(character: char) -> bool {
    is_invisible(character)
        || matches!(character,
            '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_shown_as_no_value() {
        assert_eq!(display_optional_label(None), NO_VALUE);
        assert_eq!(display_values([]), NO_VALUE);
        for label in ["∅", "∅ (no value)", "", "-", "\"∅ (no value)\"", " ∅", "unreviewed"] {
            let shown = display_label(label);
            assert!(shown.starts_with('"') && shown.ends_with('"'), "{shown}");
            assert_ne!(shown, NO_VALUE);
        }
        for label in ["no value", "null", "None", "NaN", "[]", "Texas", "ünïcode"] {
            assert_eq!(display_label(label), label);
        }
    }

    #[test]
    fn different_labels_are_shown_differently() {
        let labels = [
            "Yes",
            "Ye\u{200b}s",
            "Ye\\u{200b}s",
            "\"Ye\\u{200b}s\"",
            "a\nb",
            "a\\nb",
            "\"a\\nb\"",
            "a\tb",
            "a b",
            "a\u{a0}b",
            "∅",
            "\"∅\"",
            "\u{1b}[31mred",
            "a | b",
        ];
        let shown: BTreeSet<String> = labels.iter().map(|label| display_label(label).into_owned()).collect();
        assert_eq!(shown.len(), labels.len(), "{shown:?}");
        assert!(shown.iter().all(|label| !label.chars().any(is_unprintable)));
        assert_eq!(display_label("Ye\u{200b}s"), "\"Ye\\u{200b}s\"");
        assert_eq!(display_values(["a | b", "c"]), "\"a | b\" | c");
        assert_eq!(escape_unprintable("a\u{1b}]8;;x\u{7}b"), "a\\u{1b}]8;;x\\u{7}b");
    }

    #[test]
    fn labels_that_look_alike_are_grouped() {
        let labels = ["Yes", "yes", "YES", "Ye\u{200b}s", "No", "1", "１", "01", "São", "Sa\u{303}o", "a\u{a0}b", "a b", "yes"];
        assert_eq!(
            look_alike_groups(labels),
            [vec!["1", "１"], vec!["a b", "a\u{a0}b"], vec!["Sa\u{303}o", "São"], vec!["YES", "Yes", "Ye\u{200b}s", "yes"]]
        );
    }
}
