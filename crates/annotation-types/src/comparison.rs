//! The one rule for comparing texts: canonical equivalents (NFC and NFD) and runs of white space do not distinguish two texts.
//!
//! The SQL functions `comparable_value` and `comparable_values` implement the same rule for stored values; a test compares them.

use std::borrow::Cow;

/// The form in which a value is stored: composed (NFC), without white space at its ends.
#[must_use]
pub fn canonical(text: &str) -> Cow<'_, str> {
    aprendiz_text::canonical(text.trim())
}

/// The form in which a label is stored, a value of a categorical field: [`canonical`], with every run of blanks as one space. Tabs and line
/// ends are kept, and are shown escaped, because they are not written into a label by accident.
#[must_use]
pub fn canonical_label(text: &str) -> Cow<'_, str> {
    let canonical = canonical(text);
    if has_single_spaces(&canonical) { canonical } else { Cow::Owned(collapse_blanks(&canonical)) }
}

/// The form in which values, labels and aliases are compared: [`canonical`], with every run of white space as one space.
#[must_use]
pub fn comparable(text: &str) -> Cow<'_, str> {
    let canonical = canonical(text);
    if has_single_spaces(&canonical) { canonical } else { Cow::Owned(collapse_white_space(&canonical)) }
}

/// As [`comparable`], for comparisons in which letter case does not matter.
#[must_use]
pub fn comparable_lowercase(text: &str) -> String {
    let lower = comparable(text).to_lowercase();
    // a lower-case letter may decompose differently from its upper-case form
    match aprendiz_text::canonical(&lower) {
        Cow::Owned(composed) => composed,
        Cow::Borrowed(_) => lower,
    }
}

/// The values without empty and repeated ones; the first occurrence stays.
pub(crate) fn distinct(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    values.into_iter().filter(|value| !value.is_empty() && seen.insert(value.clone())).collect()
}

/// Whether two lists hold the same values, compared as sets.
#[must_use]
pub fn same_values(one: &[String], other: &[String]) -> bool {
    let sorted = |values: &[String]| {
        let mut values: Vec<String> = values.iter().map(|value| comparable(value).into_owned()).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    one == other || sorted(one) == sorted(other)
}

/// Whether two texts look the same in a browser: as [`comparable`], and invisible characters do not matter.
///
/// A browser collapses white space, and leaves out characters without width, when a person selects a text. Some tools also write a line
/// break as the two characters `\n`; `copied` may have them.
#[must_use]
pub fn same_on_screen(original: &str, copied: &str) -> bool {
    if original == copied {
        return true;
    }
    let shown = visible(original);
    if shown.is_empty() {
        return false;
    }
    shown == visible(copied) || (copied.contains('\\') && shown == visible(&unescape_white_space(copied)))
}

/// Whether a character has no width and no meaning for a reader: soft hyphens, joiners, direction marks, byte-order marks and controls.
#[must_use]
pub const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a text shows nothing: white space and invisible characters only.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

/// What a reader sees of a text: `comparable`, without invisible characters.
fn visible(text: &str) -> String {
    let kept: String = text.chars().filter(|character| !is_invisible(*character)).collect();
    comparable(&kept).into_owned()
}

fn unescape_white_space(text: &str) -> String {
    text.replace("\\r", " ").replace("\\n", " ").replace("\\t", " ")
}

/// Whether all white space in a text is single spaces.
fn has_single_spaces(text: &str) -> bool {
    let mut after_space = false;
    text.chars().all(|character| {
        let is_fine = if character.is_whitespace() { character == ' ' && !after_space } else { true };
        after_space = character == ' ';
        is_fine
    })
}

/// Replaces every run of white space without tabs and line ends by one space.
fn collapse_blanks(text: &str) -> String {
    let is_blank = |character: char| character.is_whitespace() && !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}');
    let mut collapsed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(char::is_whitespace) {
        let (before, run) = rest.split_at(start);
        let end = run.find(|character: char| !character.is_whitespace()).unwrap_or(run.len());
        collapsed.push_str(before);
        collapsed.push_str(if run[..end].chars().all(is_blank) { " " } else { &run[..end] });
        rest = &run[end..];
    }
    collapsed.push_str(rest);
    collapsed
}

fn collapse_white_space(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_equivalents_and_white_space_do_not_distinguish_values() {
        for (one, other) in [
            ("Goiás", "Goia\u{301}s"),
            ("Å", "A\u{30a}"),
            ("Å", "\u{212b}"),
            ("가", "\u{1100}\u{1161}"),
            ("ệ", "e\u{323}\u{302}"),
            ("ệ", "e\u{302}\u{323}"),
            ("Norvik Trading", "Norvik  Trading"),
            ("Norvik Trading", " Norvik\u{a0}\n\tTrading "),
            ("12 000", "12\u{202f}000"),
        ] {
            assert_eq!(comparable(one), comparable(other), "{one:?} {other:?}");
        }
        for (one, other) in [("Goiás", "Goias"), ("Yes", "yes"), ("Yes", "Ye\u{200b}s"), ("ﬁ", "fi"), ("a b", "ab"), ("²", "2")] {
            assert_ne!(comparable(one), comparable(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn the_stored_form_keeps_inner_white_space() {
        assert_eq!(canonical(" Goia\u{301}s\n 7 "), "Goiás\n 7");
        assert!(matches!(canonical(" Texas "), Cow::Borrowed("Texas")));
    }

    #[test]
    fn labels_have_single_blanks() {
        assert_eq!(canonical_label(" New \u{a0} Yo\u{308}rk  City "), "New Yörk City");
        assert_eq!(canonical_label("a\tb  c\n d"), "a\tb c\n d");
        assert!(matches!(canonical_label("New York"), Cow::Borrowed("New York")));
    }

    #[test]
    fn case_is_folded_only_on_request() {
        assert_eq!(comparable_lowercase("GOIA\u{301}S "), comparable_lowercase("goiás"));
        assert_eq!(comparable_lowercase("İ"), comparable_lowercase("i\u{307}"));
    }

    #[test]
    fn lists_are_compared_as_sets() {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        assert!(same_values(&values(&["a", "b  c"]), &values(&["b c", "a"])));
        assert!(same_values(&values(&["é"]), &values(&["e\u{301}", "é"])));
        assert!(!same_values(&values(&["a"]), &values(&["a", "b"])));
        assert!(same_values(&[], &[]) && !same_values(&[], &values(&["a"])));
    }

    #[test]
    fn a_text_of_white_space_and_invisible_characters_is_blank() {
        assert!(["", " \n", "\u{feff}", "\u{200b}\u{a0}\u{ad}", "\u{200f}"].into_iter().all(is_blank));
        assert!(!is_blank(".") && !is_blank("\u{feff}a"));
    }

    #[test]
    fn a_selection_in_a_browser_looks_like_its_original() {
        for (original, copied) in [
            ("Quarry\n   Holdings Ltd", "Quarry Holdings Ltd"),
            ("12\u{a0}000 EUR", "12 000 EUR"),
            (" Acme ", "Acme"),
            ("Har\u{ad}bour", "Harbour"),
            ("\u{feff}Lease", "Lease"),
            ("Board\r\nTenant", "Board\\nTenant"),
            ("Goia\u{301}s", "Goiás"),
            ("a\u{200b}b", "ab"),
        ] {
            assert!(same_on_screen(original, copied), "{original:?} {copied:?}");
        }
        for (original, copied) in [("Acme", "Acme Ltd"), ("Harbour", "harbour"), ("  ", ""), ("ab", "a b"), ("C:\\new", "C: ew")] {
            assert!(!same_on_screen(original, copied), "{original:?} {copied:?}");
        }
    }
}
