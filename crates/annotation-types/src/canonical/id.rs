//! Ids that passed through a spreadsheet or a data frame.

use crate::comparison::is_invisible;

/// How an id was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdReading {
    /// It is an id as it stands.
    AsWritten,
    /// It is another way to write this id, without loss.
    Restored(String),
    /// Its last digits are lost.
    Shortened,
}

/// Whole numbers up to this are exact in double precision.
const MAX_EXACT: u64 = 1 << 53;

/// Reads an id: `1301.0` is 1301, `'1402` and `="1403"` are marks of spreadsheets for text. `1,401E+03` has all digits of 1401, but
/// `1.30E+03` lacks the last one. Invisible characters around an id, such as the byte-order mark of a file that was appended to another, do
/// not belong to it.
#[must_use]
pub fn read_id(text: &str) -> IdReading {
    let text = text.trim();
    let visible = text.trim_matches(|character: char| character.is_whitespace() || is_invisible(character));
    match read_visible_id(visible) {
        IdReading::AsWritten if visible != text => IdReading::Restored(visible.to_owned()),
        reading => reading,
    }
}

fn read_visible_id(text: &str) -> IdReading {
    if let Some(inner) = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        return IdReading::Restored(inner.trim().to_owned());
    }
    if let Some(inner) = text.strip_prefix('\'').filter(|inner| inner.starts_with(|first: char| first.is_alphanumeric())) {
        return IdReading::Restored(inner.strip_suffix('\'').unwrap_or(inner).trim().to_owned());
    }
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        return read_scientific(mantissa, exponent);
    }
    match text.split_once('.') {
        Some((whole, zeros)) if is_digits(whole) && !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            match whole.parse::<u64>() {
                Ok(number) if number <= MAX_EXACT => IdReading::Restored(number.to_string()),
                // the number was a floating-point number, which cannot hold this many digits
                _ => IdReading::Shortened,
            }
        }
        _ => IdReading::AsWritten,
    }
}

/// Reads scientific notation. An id such as `12e5` without point and sign may be a hexadecimal one and stays as it is.
fn read_scientific(mantissa: &str, exponent: &str) -> IdReading {
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let is_written_by_a_program = mantissa.len() > whole.len() || exponent.starts_with('+');
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let is_number = whole.len() == 1 && is_digits(whole) && (decimals.is_empty() || is_digits(decimals)) && is_digits(exponent);
    if !is_number || !is_written_by_a_program {
        return IdReading::AsWritten;
    }
    match exponent.parse::<usize>() {
        Ok(exponent) if decimals.len() == exponent && exponent < 16 => IdReading::Restored(format!("{whole}{decimals}")),
        Ok(exponent) if decimals.len() > exponent && decimals[exponent..].bytes().all(|byte| byte == b'0') => {
            IdReading::Restored(format!("{whole}{}", &decimals[..exponent]))
        }
        _ => IdReading::Shortened,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ways_to_write_an_id_are_restored() {
        for (text, id) in [
            ("1301.0", "1301"),
            ("1301.00", "1301"),
            ("0.0", "0"),
            ("'1402", "1402"),
            ("=\"1403\"", "1403"),
            ("=\"A-7\"", "A-7"),
            ("1,401E+03", "1401"),
            ("1.304e3", "1304"),
            ("1.304000e+03", "1304"),
            ("\u{feff}1402", "1402"),
            ("1402\u{200b}", "1402"),
            ("\u{202a}A-7\u{202c}", "A-7"),
            ("\u{feff}1301.0", "1301"),
        ] {
            assert_eq!(read_id(text), IdReading::Restored(id.to_owned()), "{text}");
        }
    }

    #[test]
    fn ids_that_lost_digits_are_not_guessed() {
        for text in ["1.30E+03", "2,02503E+12", "1E+05", "9007199254740994.0", "12345678901234567890.0", "1.2345678901234567e+20"] {
            assert_eq!(read_id(text), IdReading::Shortened, "{text}");
        }
    }

    #[test]
    fn other_ids_stay_as_they_are() {
        for text in ["1301", "0071", "12e5", "3e8", "A.0", "1301.5", "7.", "", "'", "=SUM(A1)", "3e8a9f", "1.5e", "abc'd", "10.2E+3x"] {
            assert_eq!(read_id(text), IdReading::AsWritten, "{text}");
        }
    }
}
