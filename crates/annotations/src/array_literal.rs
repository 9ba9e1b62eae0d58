//! Postgres array literals.

/// Formats a `text[]` literal. Arrays of arrays of different lengths cannot be bound as parameters; arrays of such literals can.
pub(crate) fn array_literal(values: &[String]) -> String {
    let mut literal = String::with_capacity(2 + values.iter().map(|value| value.len() + 3).sum::<usize>());
    literal.push('{');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for character in value.chars() {
            if matches!(character, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(character);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_literals_are_quoted() {
        let literal = |values: &[&str]| array_literal(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(literal(&[]), "{}");
        assert_eq!(literal(&["a", "NULL", ""]), r#"{"a","NULL",""}"#);
        assert_eq!(literal(&[r#"say "x\y", {b}"#]), r#"{"say \"x\\y\", {b}"}"#);
    }
}
