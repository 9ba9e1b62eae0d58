//! Explains why a task is no valid JSON, key by key, and repairs it.
//!
//! Other programs write literals of their language (`NaN`, `None`) and raw control characters. These have one meaning in JSON, and the task
//! is read with it. Numbers with leading zeros, halves of characters and the like have not: as long as brackets match, they cost only their
//! task, and the repaired task serves to find its id and further reasons.

use std::fmt::Write as _;

use crate::json_string::end_of_string;

/// Maximum number of keys that are named for one fault.
const MAX_PATHS: usize = 5;
/// Maximum number of different faults that are named; a malicious task may have millions.
const MAX_FAULTS: usize = 20;
/// Maximum number of characters shown of a word or key.
const MAX_SHOWN_CHARS: usize = 40;

/// Something that is no JSON.
#[derive(Debug)]
struct Fault {
    reason: String,
    /// Whether what replaces it means the same.
    is_repaired: bool,
    /// The first keys where it stands.
    paths: Vec<String>,
    /// Number of further places.
    more: usize,
}

/// Result of looking through a task.
#[derive(Debug)]
pub(crate) struct Diagnosis<'t> {
    faults: Vec<Fault>,
    /// Number of places of further faults.
    more: usize,
    /// The key where the parser stopped.
    pub(crate) stopped_at: String,
    /// Value of the key `id` of the task, as in the file.
    pub(crate) id: Option<&'t str>,
    /// The task with every such value replaced.
    pub(crate) repaired: String,
}

impl Fault {
    /// The keys.
    fn place(&self) -> String {
        let mut place = self.paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        if self.more > 0 {
            // writing to a string does not fail
            let _ = write!(place, " and {} more", self.more);
        }
        place
    }
}

impl Diagnosis<'_> {
    /// One reason per kind of fault, naming the keys.
    pub(crate) fn reasons(&self) -> impl Iterator<Item = String> {
        let named = self.faults.iter().map(|fault| format!("{}: {}", fault.place(), fault.reason));
        named.chain((self.more > 0).then(|| format!("{} more values are not JSON", self.more)))
    }

    /// The reasons and their keys, if the repaired task means the same as the task.
    pub(crate) fn repairs(&self) -> Option<Vec<(&str, String)>> {
        let is_repaired = self.more == 0 && !self.faults.is_empty() && self.faults.iter().all(|fault| fault.is_repaired);
        is_repaired.then(|| self.faults.iter().map(|fault| (fault.reason.as_str(), fault.place())).collect())
    }

    fn add(&mut self, (reason, is_repaired): (String, bool), open: &[Container<'_>]) {
        match self.faults.iter().position(|known| known.reason == reason) {
            Some(index) if self.faults[index].paths.len() < MAX_PATHS => self.faults[index].paths.push(path(open)),
            Some(index) => self.faults[index].more += 1,
            None if self.faults.len() < MAX_FAULTS => self.faults.push(Fault { reason, is_repaired, paths: vec![path(open)], more: 0 }),
            None => self.more += 1,
        }
    }
}

/// An open object or array.
struct Container<'t> {
    is_object: bool,
    /// Current key, as in the file.
    key: &'t str,
    /// Current index of an array.
    index: usize,
    /// Whether the next string is a key.
    expects_key: bool,
}

/// Looks through a task that is no valid JSON; the parser stopped at the byte `stop`. Returns `None` if its brackets do not match, so that its
/// end is unknown.
pub(crate) fn diagnose(text: &str, stop: usize) -> Option<Diagnosis<'_>> {
    let bytes = text.as_bytes();
    let mut diagnosis =
        Diagnosis { faults: Vec::new(), more: 0, stopped_at: String::new(), id: None, repaired: String::with_capacity(text.len()) };
    let mut open: Vec<Container<'_>> = Vec::new();
    let mut index = 0;
    while index < bytes.len() {
        let start = index;
        if start >= stop && diagnosis.stopped_at.is_empty() {
            diagnosis.stopped_at = path(&open);
        }
        index += 1;
        match bytes[start] {
            bracket @ (b'{' | b'[') => {
                let is_object = bracket == b'{';
                open.push(Container { is_object, key: "", index: 0, expects_key: is_object });
            }
            bracket @ (b'}' | b']') => {
                if open.pop()?.is_object != (bracket == b'}') {
                    return None;
                }
            }
            b',' => {
                if let Some(container) = open.last_mut() {
                    container.expects_key = container.is_object;
                    container.index += 1;
                }
            }
            b':' => {
                if let Some(container) = open.last_mut() {
                    container.expects_key = false;
                }
            }
            b'"' => {
                let end = end_of_string(bytes, index)?;
                let content = &text[index..end];
                if is_id(&open) {
                    diagnosis.id.get_or_insert(&text[start..=end]);
                }
                if let Some(container) = open.last_mut()
                    && container.expects_key
                {
                    container.key = content;
                }
                diagnosis.repaired.push('"');
                if let Some(fault) = repair_string(content, &mut diagnosis.repaired) {
                    diagnosis.add(fault, &open);
                }
                diagnosis.repaired.push('"');
                index = end + 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => {
                let is_delimiter =
                    |byte: &u8| matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"' | b' ' | b'\t' | b'\r' | b'\n');
                index = start + bytes[start..].iter().position(is_delimiter).unwrap_or(bytes.len() - start);
                let word = &text[start..index];
                if is_id(&open) {
                    diagnosis.id.get_or_insert(word);
                }
                match check_word(word) {
                    None => diagnosis.repaired.push_str(word),
                    Some((fault, replacement)) => {
                        diagnosis.add(fault, &open);
                        diagnosis.repaired.push_str(replacement);
                    }
                }
                continue;
            }
        }
        diagnosis.repaired.push_str(&text[start..index]);
    }
    open.is_empty().then_some(diagnosis)
}

/// Whether the current value is the id of the task.
fn is_id(open: &[Container<'_>]) -> bool {
    matches!(open, [Container { is_object: true, key: "id", expects_key: false, .. }])
}

/// Explains a word that is no JSON, and what replaces it. The explanation has whether the replacement means the same.
fn check_word(word: &str) -> Option<((String, bool), &'static str)> {
    if serde_json::from_str::<serde::de::IgnoredAny>(word).is_ok() {
        return None;
    }
    let shown: String = word.chars().take(MAX_SHOWN_CHARS).collect();
    let name = word.trim_start_matches(['-', '+']).to_ascii_lowercase();
    Some(match name.as_str() {
        "nan" | "infinity" | "inf" | "none" | "undefined" | "null" | "nil" => ((format!("{shown} is not JSON: write null"), true), "null"),
        "true" => ((format!("{shown} is not JSON: write true"), true), "true"),
        "false" => ((format!("{shown} is not JSON: write false"), true), "false"),
        _ if name.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            ((format!("{shown} is not a JSON number: write it without leading zeros and signs, or in quotes"), false), "null")
        }
        _ => ((format!("{shown} is not JSON: put text into quotes"), false), "null"),
    })
}

/// Copies the content of a string with what is no JSON replaced, and explains the first such part that cannot be repaired, or else the first.
fn repair_string(content: &str, repaired: &mut String) -> Option<(String, bool)> {
    let (mut fault, mut repairable) = (None, None);
    let mut characters = content.char_indices();
    while let Some((index, character)) = characters.next() {
        if character < ' ' {
            repairable.get_or_insert_with(|| {
                let name = match character {
                    '\n' | '\r' => "a line break",
                    '\t' => "a tab",
                    _ => "a control character",
                };
                format!("{name} stands in a string as it is: write it as an escape sequence, \\n or \\t")
            });
            // writing to a string does not fail
            let _ = write!(repaired, "\\u{:04x}", u32::from(character));
            continue;
        }
        if character != '\\' {
            repaired.push(character);
            continue;
        }
        let rest = &content[index..];
        let length = match rest.as_bytes().get(1) {
            Some(b'u') => unicode_escape(rest),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            _ => Err("is no escape sequence of JSON: write \\\\ for a backslash"),
        };
        match length {
            Ok(length) => {
                repaired.push_str(&rest[..length]);
                // the backslash is one character of the sequence
                characters.nth(length - 2);
            }
            Err(reason) => {
                let shown: String = rest.chars().take(if rest.starts_with("\\u") { 6 } else { 2 }).collect();
                fault.get_or_insert_with(|| format!("{shown} {reason}"));
                repaired.push_str("\\ufffd");
                characters.nth(shown.chars().count().saturating_sub(2));
            }
        }
    }
    fault.map(|fault| (fault, false)).or_else(|| repairable.map(|fault| (fault, true)))
}

/// The bytes of a `\u` escape sequence, which may be two for one character.
fn unicode_escape(rest: &str) -> Result<usize, &'static str> {
    const LONE: &str = "is half of a character (a lone surrogate): write the whole character, or remove the half";
    let unit = |at: usize| {
        rest.get(at..at + 2).filter(|start| *start == "\\u").and_then(|_| u16::from_str_radix(rest.get(at + 2..at + 6)?, 16).ok())
    };
    match unit(0) {
        None => Err("is no escape sequence of JSON: \\u has four hexadecimal digits"),
        Some(0xD800..=0xDBFF) => match unit(6) {
            Some(0xDC00..=0xDFFF) => Ok(12),
            _ => Err(LONE),
        },
        Some(0xDC00..=0xDFFF) => Err(LONE),
        Some(_) => Ok(6),
    }
}

/// The keys and indexes that lead to the current value, such as `predictions[0].score`.
fn path(open: &[Container<'_>]) -> String {
    let mut path = String::new();
    for container in open {
        if container.is_object {
            if !path.is_empty() {
                path.push('.');
            }
            path.extend(container.key.chars().filter(|character| !character.is_control()).take(MAX_SHOWN_CHARS));
        } else {
            // writing to a string does not fail
            let _ = write!(path, "[{}]", container.index);
        }
    }
    if path.is_empty() { "the task".to_owned() } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_other_languages_are_named_with_their_key() {
        for (text, reason) in [
            (r#"{"id":1,"predictions":[{"id":7,"score":NaN}]}"#, "`predictions[0].score`: NaN is not JSON: write null"),
            (r#"{"data":{"pages":Infinity}}"#, "`data.pages`: Infinity is not JSON: write null"),
            (r#"{"a":-Infinity}"#, "`a`: -Infinity is not JSON: write null"),
            (r#"{"a":None,"b":None}"#, "`a`, `b`: None is not JSON: write null"),
            (r#"{"a":undefined}"#, "`a`: undefined is not JSON: write null"),
            (r#"{"a":False}"#, "`a`: False is not JSON: write false"),
            (r#"{"a":[1,01]}"#, "`a[1]`: 01 is not a JSON number"),
            (r#"{"a":yes}"#, "`a`: yes is not JSON: put text into quotes"),
            ("{\"a\":\"x\ty\"}", "`a`: a tab stands in a string"),
            ("{\"a\":\"x\ny\"}", "`a`: a line break stands in a string"),
            (r#"{"a":"\x41"}"#, r"`a`: \x is no escape sequence"),
            (r#"{"a":"\ud83d"}"#, r"`a`: \ud83d is half of a character"),
            (r#"{"a":"\ud83d\u0041"}"#, r"`a`: \ud83d is half of a character"),
            (r#"{"a":"\u00"}"#, r"`a`: \u00 is no escape sequence"),
        ] {
            let diagnosis = diagnose(text, 0).unwrap();
            let reasons: Vec<String> = diagnosis.reasons().collect();
            assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{text}: {reasons:?}");
            assert!(serde_json::from_str::<serde_json::Value>(&diagnosis.repaired).is_ok(), "{}", diagnosis.repaired);
        }
    }

    #[test]
    fn only_what_has_one_meaning_is_repaired() {
        for (text, repaired) in [
            (r#"{"a":NaN,"b":[-Infinity,None,True,False]}"#, r#"{"a":null,"b":[null,null,true,false]}"#),
            ("{\"a\":\"x\ty\nz\"}", r#"{"a":"x\u0009y\u000az"}"#),
        ] {
            let diagnosis = diagnose(text, 0).unwrap();
            assert!(diagnosis.repairs().is_some_and(|repairs| !repairs.is_empty()), "{text}");
            assert_eq!(diagnosis.repaired, repaired);
        }
        for text in [r#"{"a":NaN,"b":007}"#, r#"{"a":yes}"#, r#"{"a":"\x41"}"#, "{\"a\":\"\n\\ud83d\"}", r#"{"a":1}"#] {
            assert!(diagnose(text, 0).unwrap().repairs().is_none(), "{text}");
        }
    }

    #[test]
    fn the_key_of_another_fault_and_the_id_are_found() {
        for (text, stop, key, id) in [
            (r#"{"id":7,"data" 5}"#, 15, "data", Some("7")),
            (r#"{"data":{"a":[1 2]},"id":"x"}"#, 16, "data.a[0]", Some("\"x\"")),
            (r#"{"data":{"id":1},"id":2,}"#, 24, "id", Some("2")),
            ("[1 2]", 3, "[0]", None),
        ] {
            let diagnosis = diagnose(text, stop).unwrap();
            assert_eq!((diagnosis.stopped_at.as_str(), diagnosis.id), (key, id), "{text}");
        }
    }

    #[test]
    fn millions_of_faults_take_no_more_time_than_the_text() {
        let different = (0..200_000).map(|number| format!("[x{number},NaN,")).collect::<String>();
        let text = format!("{different}0{}", "]".repeat(200_000));
        let reasons: Vec<String> = diagnose(&text, 0).unwrap().reasons().collect();
        assert_eq!(reasons.len(), MAX_FAULTS + 1);
        assert!(reasons[1].contains("and 199995 more: NaN") && reasons[MAX_FAULTS].starts_with("199981 more"), "{reasons:?}");
    }

    #[test]
    fn what_is_valid_is_left_as_it_is() {
        let text = r#"{ "a" : [1.5e-3, true, null, "é😀\ud83d\ude00\\\"\n", {}], "b": {"c": [[]]} }"#;
        let diagnosis = diagnose(text, 0).unwrap();
        assert_eq!((diagnosis.reasons().count(), diagnosis.repaired.as_str()), (0, text));
    }

    #[test]
    fn brackets_that_do_not_match_have_no_end() {
        for text in ["{\"a\":[1}]", "[1", "{\"a", "{]", "]", "\"\\"] {
            assert!(diagnose(text, 0).is_none(), "{text}");
        }
    }
}
