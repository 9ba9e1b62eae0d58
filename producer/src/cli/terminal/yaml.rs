//! Writes JSON values as YAML 1.2. A string that is not a plain word is written as in JSON, which YAML contains.

use std::fmt::Write as _;

use serde_json::Value;

/// Words that YAML, in any version, reads as something else than a string.
const RESERVED: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// A value as a YAML document, without a line break at its end.
pub(super) fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => write_items(&mut text, items, 0),
        Value::Object(object) if !object.is_empty() => write_entries(&mut text, object.iter(), 0),
        scalar => write_scalar(&mut text, scalar),
    }
    text.trim_end().to_owned()
}

fn write_items(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        let _ = write!(text, "{}-", "  ".repeat(depth));
        match item {
            // the first line of what it contains stands beside the dash
            Value::Array(inner) if !inner.is_empty() => write_beside(text, depth, |text| write_items(text, inner, depth + 1)),
            Value::Object(inner) if !inner.is_empty() => write_beside(text, depth, |text| write_entries(text, inner.iter(), depth + 1)),
            scalar => write_line(text, scalar),
        }
    }
}

/// Writes something that is indented by one more level, without the indent of its first line.
fn write_beside(text: &mut String, depth: usize, write: impl FnOnce(&mut String)) {
    let mut inner = String::new();
    write(&mut inner);
    let _ = write!(text, " {}", &inner[2 * (depth + 1)..]);
}

fn write_entries<'v>(text: &mut String, entries: impl Iterator<Item = (&'v String, &'v Value)>, depth: usize) {
    for (key, value) in entries {
        let _ = write!(text, "{}{}:", "  ".repeat(depth), word(key));
        match value {
            Value::Array(inner) if !inner.is_empty() => {
                text.push('\n');
                write_items(text, inner, depth + 1);
            }
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                write_entries(text, inner.iter(), depth + 1);
            }
            scalar => write_line(text, scalar),
        }
    }
}

fn write_line(text: &mut String, scalar: &Value) {
    text.push(' ');
    write_scalar(text, scalar);
    text.push('\n');
}

/// Writes a value that has no parts: a number, a string, an empty list.
fn write_scalar(text: &mut String, scalar: &Value) {
    match scalar {
        Value::String(string) => text.push_str(&word(string)),
        other => text.push_str(&other.to_string()),
    }
}

/// A string: as it is if no reader can mistake it, else quoted.
fn word(string: &str) -> String {
    let is_plain = string.starts_with(|first: char| first.is_ascii_alphabetic())
        && string.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        && !RESERVED.contains(&string.to_ascii_lowercase().as_str());
    if is_plain {
        return string.to_owned();
    }
    // line breaks of YAML 1.1 that JSON does not escape, and the mark of byte order
    let quoted = Value::from(string).to_string();
    quoted.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{feff}', "\\ufeff")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_values_are_indented() {
        let value = json!([
            { "count": 1.5, "id": "01a1", "spec": { "data": {}, "fields": [] }, "tags": ["a b", "c"] },
            [["x"], 2],
            null
        ]);
        let expected = "\
- count: 1.5
  id: \"01a1\"
  spec:
    data: {}
    fields: []
  tags:
    - \"a b\"
    - c
- - - x
  - 2
- null";
        assert_eq!(to_yaml(&value), expected);
        assert_eq!(to_yaml(&json!([])), "[]");
        assert_eq!(to_yaml(&json!({ "a": "b" })), "a: b");
    }

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        for string in ["", "no", "True", "1", "-", "a: b", "#", "a\nb", "2026-11-30", "é", "\u{2028}", "~"] {
            let written = word(string);
            assert!(written.starts_with('"') && written.is_ascii() == (string != "é"), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), string);
        }
        for string in ["succeeded", "sentence-transformer", "config.json", "a/b"] {
            assert_eq!(word(string), string);
        }
    }
}
