//! Names of fields, derived from the names that people give to labels, controls and columns.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::field::is_valid_field_name;

/// Latin letters that are no letter with a mark.
const LATIN: [(char, &str); 11] = [
    ('ß', "ss"),
    ('æ', "ae"),
    ('œ', "oe"),
    ('ø', "o"),
    ('ł', "l"),
    ('đ', "d"),
    ('ð', "d"),
    ('þ', "th"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ŋ', "n"),
];

/// Derives a field name: lower case without accents, `_` for everything but letters and digits. `None` if a letter has no Latin form, if
/// nothing is left, or if the name is too long: two names could then become one.
#[must_use]
pub fn derive_field_name(label: &str) -> Option<String> {
    let mut name = String::with_capacity(label.len());
    for character in label.nfkd().filter(|character| !is_combining_mark(*character)).flat_map(char::to_lowercase) {
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if let Some((_, latin)) = LATIN.iter().find(|(letter, _)| *letter == character) {
            name.push_str(latin);
        } else if is_combining_mark(character) {
            // lower case may decompose further
        } else if character.is_alphanumeric() {
            return None;
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    is_valid_field_name(&name).then_some(name)
}

/// Why a name cannot become the name of a field, and what to do.
pub const UNUSABLE_NAME: &str = "a field name has 1 to 100 letters A to Z, digits or `_.:-`; rename the label, control or column";

/// Finds fields by the names that people use for them.
#[derive(Debug, Clone, Default)]
pub struct FieldNames {
    /// Known fields by derived name.
    known: BTreeMap<String, Vec<String>>,
}

impl FieldNames {
    /// Knows these fields.
    #[must_use]
    pub fn new<'n>(known: impl IntoIterator<Item = &'n str>) -> Self {
        let mut names = Self::default();
        for name in known {
            if let Some(derived) = derive_field_name(name) {
                names.known.entry(derived).or_default().push(name.to_owned());
            }
        }
        names
    }

    /// The field of a label or control: a valid name names itself, any other one the field of its derived name.
    #[must_use]
    pub fn resolve(&self, label: &str) -> Option<String> {
        if is_valid_field_name(label) { Some(label.to_owned()) } else { self.find(label) }
    }

    /// The field of a column: a known field with this name, else the known field with its derived name, else the derived name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<String> {
        let name = name.trim();
        let Some(derived) = derive_field_name(name) else {
            return is_valid_field_name(name).then(|| name.to_owned());
        };
        let known = self.known.get(&derived).map_or(&[][..], Vec::as_slice);
        let exact = known.iter().find(|known| *known == name).or_else(|| known.iter().find(|known| **known == derived));
        Some(exact.or_else(|| known.first()).cloned().unwrap_or(derived))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_without_accents_and_blanks() {
        for (label, name) in [
            ("Governing Law", "governing_law"),
            ("Data de início", "data_de_inicio"),
            ("Data de ini\u{301}cio", "data_de_inicio"),
            (" Número (nº) ", "numero_no"),
            ("Straße & Køb", "strasse_kob"),
            ("İstanbul", "istanbul"),
            ("Ｆｕｌｌ", "full"),
            ("Governing.Law", "governing_law"),
        ] {
            assert_eq!(derive_field_name(label).as_deref(), Some(name), "{label}");
        }
    }

    #[test]
    fn names_that_would_lose_letters_are_unusable() {
        for label in ["适用法律", "Закон 2", "Дата 2", "条款 1 a", "—", "", "  ", &"n".repeat(101), "αβ", "١٢"] {
            assert_eq!(derive_field_name(label), None, "{label}");
        }
    }

    #[test]
    fn labels_and_columns_agree_on_known_fields() {
        let names = FieldNames::new(["Governing-Law", "Party", "party", "kind"]);
        assert_eq!(names.resolve("Governing Law").as_deref(), Some("Governing-Law"));
        assert_eq!(names.find("governing law").as_deref(), Some("Governing-Law"));
        assert_eq!(names.resolve("PARTY").as_deref(), Some("PARTY"), "a valid name is kept");
        assert_eq!((names.find("PARTY").as_deref(), names.find("Party").as_deref()), (Some("party"), Some("Party")));
        assert_eq!(names.find("Data de início").as_deref(), Some("data_de_inicio"));
        assert_eq!((names.resolve("适用法律"), names.find("适用法律")), (None, None));
    }
}
