//! Compares the output of a command with the one that a page shows.

/// Line of a page that stands for any number of lines.
const ANYTHING: &str = "…";

/// The first line of the page that the output lacks, in the order of the page; `None` if there is none. Ids, times, and the widths of columns
/// may differ.
pub(super) fn first_difference(expected: &[String], output: &str) -> Option<String> {
    let found: Vec<String> = output.lines().map(normalize).filter(|line| !line.is_empty()).collect();
    let mut rest = found.as_slice();
    let mut anywhere = true;
    for line in expected.iter().filter(|line| !line.trim().is_empty()) {
        if line.trim() == ANYTHING {
            anywhere = true;
            continue;
        }
        let wanted = normalize(line);
        let candidates = if anywhere { rest } else { &rest[..rest.len().min(1)] };
        match candidates.iter().position(|line| *line == wanted) {
            Some(index) => rest = &rest[index + 1..],
            None => return Some(line.clone()),
        }
        anywhere = false;
    }
    None
}

/// The line without what differs from run to run. Blanks between columns count as one, because their number depends on the values.
fn normalize(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        if is_id(core) || is_time(core) { word.replacen(core, "#", 1) } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A UUID.
fn is_id(word: &str) -> bool {
    word.len() == 36 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// A date, or a time of day.
fn is_time(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    digits >= 6 && word.contains(['-', ':']) && word.chars().all(|c| c.is_ascii_digit() || "-:.TZ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_times_and_widths_may_differ_and_values_may_not() {
        let page = "run  01a1fd0a-322b-77a3-a61c-68ecd237a2dc\ncreated 2026-11-21 10:48:53 UTC\n…\naccuracy   0.94";
        let page: Vec<String> = page.lines().map(str::to_owned).collect();
        let output = "run 01a22c58-3418-7000-8000-000000000000\n\ncreated 2027-01-02 01:02:03 UTC\nmore\nlines\naccuracy 0.94\nend";
        assert_eq!(first_difference(&page, output), None);
        assert_eq!(first_difference(&page, &output.replace("0.94", "0.95")), Some("accuracy   0.94".to_owned()));
        assert_eq!(first_difference(&page[..2], "run 01a22c58-3418-7000-8000-000000000000\nother"), Some(page[1].clone()));
    }
}
