//! Canonical form of dates.

use chrono::NaiveDate;

/// Returns a date as `YYYY-MM-DD`. Zeros may be missing, and a time of midnight may follow, as spreadsheets and data frames write it.
/// `None` if the text is not such a date; in particular, the order of day and month is never guessed.
#[must_use]
pub fn canonical_date(text: &str) -> Option<String> {
    let text = text.trim();
    if is_iso_date(text) {
        return Some(text.to_owned());
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    if !is_midnight(time) {
        return None;
    }
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.next().is_some() || !is_number(year, 4..=4) || !is_number(month, 1..=2) || !is_number(day, 1..=2) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(date.format("%Y-%m-%d").to_string())
}

/// Whether a time is absent, or midnight without a zone or in UTC.
fn is_midnight(time: &str) -> bool {
    let time = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
    let clock = time.split('.').next().unwrap_or_default();
    let fraction_is_zero = time[clock.len()..].bytes().all(|byte| matches!(byte, b'.' | b'0'));
    fraction_is_zero && matches!(clock, "" | "00:00" | "00:00:00")
}

/// Whether a value is valid for a date field.
#[must_use]
pub fn is_iso_date(value: &str) -> bool {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = value.as_bytes() else {
        return false;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(&[y1, y2, y3, y4]), number(&[m1, m2]), number(&[d1, d2])) else {
        return false;
    };
    NaiveDate::from_ymd_opt(year.cast_signed(), month, day).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_one_form() {
        for text in [
            "2025-03-02",
            "2025-3-2",
            " 2025-03-02 ",
            "2025-03-02T00:00:00Z",
            "2025-03-02 00:00:00",
            "2025-03-02T00:00",
            "2025-03-02T00:00:00.000+00:00",
        ] {
            assert_eq!(canonical_date(text).as_deref(), Some("2025-03-02"), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_dates() {
        for text in
            ["", "02/03/2025", "2025-02-30", "2025-03-02T10:00:00Z", "2025-03-02T00:00:00+01:00", "25-03-02", "2025-03", "2025-03-02-01"]
        {
            assert_eq!(canonical_date(text), None, "{text}");
        }
    }
}
