//! Sentence templates: `{a|b|c}` draws an alternative, `$name` inserts a value. Alternatives do not nest.

use super::random::Random;

/// Renders `template` to `out`.
///
/// # Panics
/// On an unknown `$name` or an unclosed brace, which are errors in the template.
pub(crate) fn render(template: &str, values: &[(&str, &str)], random: &mut Random, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['{', '$']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}').expect("every brace in a template is closed");
            let choices = inner[..end].split('|').count() as u64;
            let choice = random.below(choices) as usize;
            render(inner[..end].split('|').nth(choice).unwrap_or_default(), values, random, out);
            rest = &inner[end + 1..];
        } else {
            let name = &rest[1..];
            let end = name.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(name.len());
            let value = values.iter().find(|(key, _)| *key == &name[..end]);
            out.push_str(value.expect("a template uses only known values").1);
            rest = &name[end..];
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_and_values_are_filled_in() {
        let mut seen = std::collections::BTreeSet::new();
        for document in 0..50 {
            let mut out = String::new();
            render("{The $who|A $who} pays.", &[("who", "Client")], &mut Random::new(1, document), &mut out);
            seen.insert(out);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["A Client pays.", "The Client pays."]);
    }
}
