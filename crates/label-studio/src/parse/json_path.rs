//! The path of a place in a JSON text, such as `result[3].value.number`.

use std::fmt::Write as _;

use crate::json_string::end_of_string;

/// Maximum length of a path in bytes. What is deeper is left out.
const MAX_BYTES: usize = 80;

/// A container that is open at the place.
enum Container<'r> {
    /// An object, with its last key.
    Object(&'r str),
    /// A list, with the index of its last element.
    List(usize),
}

/// Returns the path of the value at this offset, as far as it is short. Empty if it is the whole text.
pub(super) fn path_at(raw: &str, offset: usize) -> String {
    let bytes = raw.as_bytes();
    let end = offset.min(bytes.len());
    let (mut open, mut string, mut index) = (Vec::new(), "", 0);
    while index < end {
        match bytes[index] {
            b'"' => {
                let start = index + 1;
                index = end_of_string(bytes, start).unwrap_or(bytes.len());
                string = raw.get(start..index).unwrap_or_default();
            }
            b'{' => open.push(Container::Object("")),
            b'[' => open.push(Container::List(0)),
            b'}' | b']' => drop(open.pop()),
            b':' => {
                if let Some(Container::Object(key)) = open.last_mut() {
                    *key = string;
                }
            }
            b',' => {
                if let Some(Container::List(element)) = open.last_mut() {
                    *element += 1;
                }
            }
            _ => {}
        }
        index += 1;
    }
    let mut path = String::new();
    for container in &open {
        if path.len() > MAX_BYTES {
            path.push('…');
            break;
        }
        match container {
            Container::Object("") => {}
            Container::Object(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.extend(key.chars().take(MAX_BYTES));
            }
            // writing to a string does not fail
            Container::List(element) => drop(write!(path, "[{element}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_has_keys_and_indexes() {
        let raw = r#"{"a":1,"b":[{"c\"]":[1,[2,"x,:]"]],"d":{"e":3}}],"f":4}"#;
        let path = |part: &str| path_at(raw, raw.find(part).unwrap());
        assert_eq!([path("1,\"b"), path("2,"), path("3}"), path("4}")], ["a", "b[0].c\\\"][1][0]", "b[0].d.e", "f"]);
        assert_eq!(path_at(raw, 0), "");
        let deep = "[".repeat(1_000);
        assert!(path_at(&deep, deep.len()).len() < 100);
        assert!(path_at(&format!("{{\"{}\":1", "é".repeat(1_000)), 10_000).len() < 200);
    }
}
