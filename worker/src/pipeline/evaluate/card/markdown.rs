//! Texts of users in Markdown.

/// A text of users as Markdown text: no markup of its own.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '[' | ']' | '|' | '*' | '`' | '\\' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\n' | '\r' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_users_are_no_markup() {
        assert_eq!(escape("<b>|[x](y)`\n!"), "&lt;b>\\|\\[x\\](y)\\` \\!");
    }
}
