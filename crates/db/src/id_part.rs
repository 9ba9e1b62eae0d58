//! A part of an ID, as people type it: its first or its last digits.

use sqlx::types::Uuid;
use sqlx::types::chrono::{DateTime, Utc};

/// Digits that a part must have at least.
const MIN_DIGITS: usize = 4;
/// Digits of a whole ID.
const ALL_DIGITS: usize = 32;

/// The first or the last digits of an ID. IDs with these first digits lie between two IDs, so that an index finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPart {
    digits: String,
}

/// An object whose ID matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMatch {
    /// Its ID.
    pub id: Uuid,
    /// What it is, for people.
    pub label: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// A text that is not a part of an ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a part of an ID: expected its first or last 4 to 32 hexadecimal digits")]
pub struct InvalidIdPart(String);

impl IdPart {
    /// Parses digits, upper or lower case, with or without hyphens.
    ///
    /// # Errors
    /// [`InvalidIdPart`] for other characters, and for too few or too many digits.
    pub fn parse(text: &str) -> Result<Self, InvalidIdPart> {
        let digits: String = text.chars().filter(|character| *character != '-').map(|character| character.to_ascii_lowercase()).collect();
        let is_valid = (MIN_DIGITS..=ALL_DIGITS).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        if is_valid { Ok(Self { digits }) } else { Err(InvalidIdPart(text.chars().take(ALL_DIGITS).collect())) }
    }

    /// The least ID that begins with the digits.
    #[must_use]
    pub fn lowest(&self) -> Uuid {
        self.filled_with('0')
    }

    /// The greatest ID that begins with the digits.
    #[must_use]
    pub fn highest(&self) -> Uuid {
        self.filled_with('f')
    }

    /// The digits, in lower case.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    fn filled_with(&self, digit: char) -> Uuid {
        let rest = std::iter::repeat_n(digit, ALL_DIGITS - self.digits.len());
        let digits: String = self.digits.chars().chain(rest).collect();
        Uuid::try_parse(&digits).expect("32 hexadecimal digits are an ID")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_range_of_ids() {
        let part = IdPart::parse("01A1FD0A-322b").unwrap();
        assert_eq!(part.digits(), "01a1fd0a322b");
        assert_eq!(part.lowest().to_string(), "01a1fd0a-322b-0000-0000-000000000000");
        assert_eq!(part.highest().to_string(), "01a1fd0a-322b-ffff-ffff-ffffffffffff");
        let whole = "01a1fd0a-322b-77a3-a61c-68ecd237a2dc";
        assert_eq!(IdPart::parse(whole).unwrap().lowest().to_string(), whole);
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "abc", "a-b-c", "xyzw", "%%%%", "é1234", &"0".repeat(33)] {
            assert!(IdPart::parse(text).unwrap_err().to_string().contains("hexadecimal"), "{text}");
        }
    }
}
