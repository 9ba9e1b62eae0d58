//! Numbers of things in sentences: "1 task", "3,600 tasks".

/// A number with commas between groups of three digits.
#[must_use]
pub fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number with its noun, which gets an s unless the number is one.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", group_digits(number), if number == 1 { "" } else { "s" })
}

/// The wording for one thing, or that for any other number of them.
#[must_use]
pub const fn choose<'w>(number: u64, one: &'w str, many: &'w str) -> &'w str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_and_nouns_have_a_number() {
        let counted = [0, 1, 2, 999, 1_000, 3_600, 1_234_567].map(|number| count(number, "task"));
        assert_eq!(counted, ["0 tasks", "1 task", "2 tasks", "999 tasks", "1,000 tasks", "3,600 tasks", "1,234,567 tasks"]);
        assert_eq!([0, 1, 2].map(|number| choose(number, "is", "are")), ["are", "is", "are"]);
    }
}
