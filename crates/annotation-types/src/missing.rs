//! Words that programs write for a missing value.

/// Words of data frames, databases and spreadsheets for a missing or failed value, as these programs spell them. Spreadsheets translate
/// theirs.
const MISSING: [&str; 37] = [
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
    "#N/A",
    "#N/A N/A",
    "#NA",
    "#REF!",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#UNKNOWN!",
    "#CONNECT!",
    "#GETTING_DATA",
    "#ERROR!",
    "#N/D",
    "#NOME?",
    "#VALOR!",
    "#NÚM!",
    "#NULO!",
    "#DESPEJAR!",
    "1.#QNAN",
    "-1.#IND",
    "1.#IND",
    "nil",
];

/// Words that may mean a missing value, and may be a value: Namibia, not applicable, none.
const AMBIGUOUS: [&str; 11] = ["na", "n/a", "n.a.", "none", "null", "nan", "nat", "-", "--", "?", "empty"];

/// Whether a cell holds a word for a missing value. `NA` is none: it is a value as well.
#[must_use]
pub fn is_missing_word(text: &str) -> bool {
    let text = text.trim();
    // a column that is too narrow
    let is_filler = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    is_filler || MISSING.contains(&text)
}

/// Whether a value looks like a word for a missing value, in any spelling.
#[must_use]
pub fn resembles_missing_word(text: &str) -> bool {
    let text = text.trim();
    // no word is longer
    text.len() <= 16 && (is_missing_word(text) || AMBIGUOUS.contains(&text.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_programs_are_missing_and_words_of_people_are_not() {
        for word in ["nan", " NaN ", "None", "NaT", "<NA>", "#N/A", "#REF!", "#N/D", "########"] {
            assert!(is_missing_word(word) && resembles_missing_word(word), "{word}");
        }
        for word in ["NA", "N/A", "none", "-"] {
            assert!(!is_missing_word(word) && resembles_missing_word(word), "{word}");
        }
        for word in ["", "Nancy", "#1", "##", "Malta", "nothing"] {
            assert!(!is_missing_word(word), "{word}");
        }
        assert!(!resembles_missing_word("Malta") && !resembles_missing_word(""));
    }
}
