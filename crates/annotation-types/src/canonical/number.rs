//! Canonical form of decimal numbers. All digits are kept: numbers are never converted to floating point.
//!
//! One exception is the trace of binary arithmetic, such as 0.1 + 0.2 = 0.30000000000000004. A number with a fraction and 16 or 17
//! significant digits is rounded to 15 of them if at most 10 digits remain; then it is 0.3. Every other number keeps its digits.

/// Maximum number of zeros that are written out; a number that needs more keeps an exponent.
const MAX_ZEROS: i64 = 30;
/// Maximum length of a number in bytes.
const MAX_BYTES: usize = 1_000;
/// Significant digits of binary arithmetic in double precision, which decimal notation needs 16 or 17 digits to show.
const BINARY_DIGITS: std::ops::RangeInclusive<usize> = 16..=17;
/// Digits that such a number reliably has.
const RELIABLE_DIGITS: usize = 15;
/// A rounded number has at most this many digits; otherwise its last digits are not a trace of binary arithmetic.
const MAX_ROUNDED_DIGITS: usize = 10;

/// A parsed number: `digits` without leading and trailing zeros, times ten to the power of `exponent`.
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

/// Returns the canonical form of a decimal number: no sign of a plus, no leading zeros, no zeros at the end of a fraction, no exponent, no
/// negative zero. `None` if the text is not a decimal number; `inf` and `nan` are not.
#[must_use]
pub fn canonical_number(text: &str) -> Option<String> {
    Some(parse(text)?.rounded().to_text())
}

/// Whether a text is certainly a number. With leading zeros or a plus, it may as well be a code or a telephone number.
#[must_use]
pub fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let has_leading_zero = matches!(unsigned, [b'0', b'0'..=b'9', ..]);
    unsigned.first().is_some_and(u8::is_ascii_digit) && !has_leading_zero && parse(text).is_some()
}

fn parse(text: &str) -> Option<Decimal> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(index) => (&unsigned[..index], parse_exponent(&unsigned[index + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let exponent = exponent - i64::try_from(fraction.len()).ok()?;
    Some(Decimal { is_negative, digits: format!("{whole}{fraction}"), exponent }.trimmed())
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_valid = !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_valid { text.parse().ok() } else { None }
}

impl Decimal {
    fn trimmed(mut self) -> Self {
        let kept = self.digits.trim_end_matches('0').len();
        self.exponent += i64::try_from(self.digits.len() - kept).unwrap_or_default();
        self.digits.truncate(kept);
        self.digits = self.digits.trim_start_matches('0').to_owned();
        if self.digits.is_empty() { Self { is_negative: false, digits: "0".to_owned(), exponent: 0 } } else { self }
    }

    /// Removes the trace of binary arithmetic.
    fn rounded(self) -> Self {
        if self.exponent >= 0 || !BINARY_DIGITS.contains(&self.digits.len()) {
            return self;
        }
        let (kept, dropped) = self.digits.split_at(RELIABLE_DIGITS);
        let Ok(kept) = kept.parse::<u64>() else {
            return self;
        };
        let kept = kept + u64::from(dropped.as_bytes()[0] >= b'5');
        let exponent = self.exponent + i64::try_from(dropped.len()).unwrap_or_default();
        let rounded = Self { is_negative: self.is_negative, digits: kept.to_string(), exponent }.trimmed();
        if rounded.digits.len() <= MAX_ROUNDED_DIGITS { rounded } else { self }
    }

    fn to_text(&self) -> String {
        let Self { is_negative, digits, exponent } = self;
        let sign = if *is_negative { "-" } else { "" };
        let count = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        // digits before the point
        let whole = count + exponent;
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        if *exponent >= 0 && *exponent <= MAX_ZEROS {
            format!("{sign}{digits}{}", zeros(*exponent))
        } else if *exponent < 0 && whole > 0 {
            let (before, after) = digits.split_at(usize::try_from(whole).unwrap_or_default());
            format!("{sign}{before}.{after}")
        } else if *exponent < 0 && -whole <= MAX_ZEROS {
            format!("{sign}0.{}{digits}", zeros(-whole))
        } else {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{point}{rest}e{}", whole - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        canonical_number(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn equal_numbers_have_one_form() {
        for (form, texts) in [
            ("12", &["12", "12.0", "1.2e1", "012", "+12", "12.", "1200E-2", "0.12e+2"][..]),
            ("0", &["0", "-0", "0.0", "-0.00", "0e7", ".0"]),
            ("1200000", &["1200000.0", "1.2e6", "1200000"]),
            ("-0.5", &["-0.5", "-.5", "-5e-1", "-0.50"]),
            ("1e300", &["1e300", "10e299", "0.1e301"]),
            ("1.5e-40", &["1.5e-40", "15E-41"]),
        ] {
            for text in texts {
                assert_eq!(canonical(text), form, "{text}");
            }
        }
    }

    #[test]
    fn all_digits_are_kept() {
        for text in [
            "123456789012345678901",
            "35230212345678901234550010000000011000000019",
            "18446744073709551616",
            "0.1234567890123456789",
            "12345678901234.56",
            "0.1234567890123456",
            "9007199254740993",
        ] {
            assert_eq!(canonical(text), text);
        }
        assert_eq!(canonical("123456789012345678901.0"), "123456789012345678901");
    }

    #[test]
    fn traces_of_binary_arithmetic_are_rounded() {
        for (text, form) in [
            ("0.30000000000000004", "0.3"),
            ("2.9999999999999996", "3"),
            ("1.1500000000000001", "1.15"),
            ("-0.7999999999999999", "-0.8"),
            ("1234.5600000000002", "1234.56"),
            ("5.6000000000000005e-7", "0.00000056"),
        ] {
            assert_eq!(canonical(text), form);
        }
    }

    #[test]
    fn canonical_forms_are_stable_and_denote_the_same_number() {
        for number in 0..20_000_u64 {
            // digits and exponents from a simple generator
            let seed = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let text = format!("{}.{}e{}", seed % 10_000, (seed >> 20) % 100_000, i64::try_from((seed >> 40) % 40).unwrap() - 20);
            let form = canonical(&text);
            assert_eq!(canonical(&form), form, "{text}");
            let (left, right): (f64, f64) = (text.parse().unwrap(), form.parse().unwrap());
            assert!((left - right).abs() <= left.abs() * 1e-15, "{text} {form}");
        }
    }

    #[test]
    fn other_texts_are_not_numbers() {
        for text in ["", "-", ".", "e3", "1e", "1e+", "inf", "NaN", "1,000", "1 000", "0x10", "1.2.3", "١٢", "12a", "--1", "1e99999999"] {
            assert_eq!(canonical_number(text), None, "{text}");
        }
    }

    #[test]
    fn codes_are_not_plain_numbers() {
        assert!(["0", "-0.5", "12", "1e3", "0.0", "-7"].into_iter().all(is_plain_number));
        assert!(!["007", "+55", "00", "-01", ".5", "", "a"].into_iter().any(is_plain_number));
    }
}
