//! Words that programs write for a missing value.

/// Words of data frames and databases for a missing or failed value, and of spreadsheets for one that is not there yet, as these programs
/// spell them.
const MISSING: [&str; 21] = [
    "nan",
    "NaN",
    "-nan",
    "-NaN",
    "None",
    "NaT",
    "<NA>",
    "NULL",
    "null",
    "<null>",
    "nil",
    "\\N",
    "1.#QNAN",
    "-1.#IND",
    "1.#IND",
    "#N/A",
    "#N/A N/A",
    "#N/D",
    "#NA",
    "#NV",
    "#GETTING_DATA",
];
/// Longest error of a spreadsheet in bytes.
const MAX_ERROR_BYTES: usize = 24;

/// Words that may mean a missing value, and may be a value: Namibia, not applicable, none.
const AMBIGUOUS: [&str; 20] = [
    "na",
    "n/a",
    "n.a.",
    "n/d",
    "n.d.",
    "s/d",
    "none",
    "null",
    "nan",
    "nat",
    "undefined",
    "-",
    "--",
    "—",
    "?",
    "empty",
    "(blank)",
    "(vazio)",
    "(em branco)",
    "vazio",
];

/// Whether a cell holds a word for a missing value. `NA` is none: it is a value as well.
#[must_use]
pub fn is_missing_word(text: &str) -> bool {
    let text = text.trim();
    // a column that is too narrow
    let is_filler = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    is_filler || MISSING.contains(&text) || is_spreadsheet_error(text)
}

/// Whether a text is an error of a spreadsheet such as `#REF!` or `#NAME?`. Their names are translated: `#VALOR!`, `#ZAHL!`, `#¿NOMBRE?`.
fn is_spreadsheet_error(text: &str) -> bool {
    let Some(name) = text.strip_prefix('#').and_then(|rest| rest.strip_suffix(['!', '?'])) else {
        return false;
    };
    text.len() <= MAX_ERROR_BYTES
        && name.chars().filter(|character| character.is_uppercase()).count() > 1
        && name.chars().all(|character| character.is_uppercase() || "/0123456789_ ¡¿".contains(character))
}

/// Whether a value looks like a word for a missing value, in any spelling.
#[must_use]
pub fn resembles_missing_word(text: &str) -> bool {
    let text = text.trim();
    // no word is longer
    if text.len() > 16 {
        return false;
    }
    let is_ambiguous = if text.is_ascii() {
        AMBIGUOUS.iter().any(|word| word.eq_ignore_ascii_case(text))
    } else {
        AMBIGUOUS.contains(&text.to_lowercase().as_str())
    };
    is_ambiguous || is_missing_word(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_programs_are_missing_and_words_of_people_are_not() {
        for word in [
            "nan",
            " NaN ",
            "None",
            "NaT",
            "<NA>",
            "#N/A",
            "#REF!",
            "#N/D",
            "########",
            "\\N",
            "#DIV/0!",
            "#NÚM!",
            "#¿NOMBRE?",
            "#BEZUG!",
            "#NV",
            "#ИМЯ?",
        ] {
            assert!(is_missing_word(word) && resembles_missing_word(word), "{word}");
        }
        for word in ["NA", "N/A", "none", "-", "(em branco)", "N/D"] {
            assert!(!is_missing_word(word) && resembles_missing_word(word), "{word}");
        }
        for word in ["", "Nancy", "#1", "##", "Malta", "nothing", "#1!", "#Hooray!", "#A!", "N!", "#WIN", "\\n"] {
            assert!(!is_missing_word(word), "{word}");
        }
        assert!(!resembles_missing_word("Malta") && !resembles_missing_word(""));
    }
}
