//! Texts of users as they appear in plots: bounded, on one line, and without characters that XML forbids or that reorder their surroundings.

/// The text without control characters and directional overrides, shortened with an ellipsis to about `max_columns` columns.
pub(crate) fn shorten(text: &str, max_columns: usize) -> String {
    let cleaned = clean(text);
    if columns(&cleaned) <= max_columns {
        return cleaned;
    }
    let (mut shortened, mut used) = (String::new(), 0);
    for c in cleaned.chars() {
        used += width(c);
        // the ellipsis takes a column
        if used >= max_columns {
            break;
        }
        shortened.push(c);
    }
    shortened.trim_end().to_owned() + "…"
}

/// The text on one line, with only characters that XML allows and none that changes the direction of the text after it.
pub(crate) fn clean(text: &str) -> String {
    let kept = text.chars().filter(|c| !is_unsafe(*c)).map(|c| if c.is_whitespace() { ' ' } else { c });
    kept.collect::<String>().trim().to_owned()
}

/// A class as a text; `None` is "no value".
pub(crate) fn class_name(label: Option<&str>, max_columns: usize) -> String {
    label.map_or_else(|| "∅ (no value)".to_owned(), |label| shorten(label, max_columns))
}

/// A text as content or attribute of HTML, XML and SVG.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// About how many columns a text takes; characters of East Asian scripts take two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn is_unsafe(c: char) -> bool {
    let is_control = c.is_control() && !c.is_whitespace();
    let reorders = matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    is_control || reorders || matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{FEFF}')
}

fn width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200D => 0,
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_with_an_ellipsis() {
        let shortened = shorten(&"x".repeat(300), 20);
        assert_eq!((shortened.chars().count(), shortened.ends_with('…')), (20, true));
        assert_eq!(shorten("a short one", 20), "a short one");
        assert_eq!(shorten("exactly ten and more", 10), "exactly t…");
        assert_eq!(columns(&shorten(&"合".repeat(40), 11)), 11);
    }

    #[test]
    fn characters_that_break_xml_or_reorder_text_are_removed() {
        assert_eq!(clean("a\u{0}b\u{202E}c\u{FFFF}\td\n"), "abc d");
        assert_eq!(class_name(None, 20), "∅ (no value)");
        assert_eq!(class_name(Some("עברית"), 20), "עברית");
    }
}
