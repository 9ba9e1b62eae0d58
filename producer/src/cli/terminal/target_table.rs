//! Coverage by target accuracy as a table, with what stands in the way of the targets that are not reached.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cli::terminal::table;

/// What a field answers at a target accuracy.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) target: f64,
    pub(crate) threshold: Option<f64>,
    pub(crate) coverage: Option<f64>,
    pub(crate) lower_bound: Option<f64>,
    pub(crate) reason: Option<String>,
}

/// The targets of a field, descending.
pub(crate) struct FieldTargets {
    pub(crate) field: String,
    pub(crate) targets: Vec<Target>,
}

/// One row per field and one column per target. Below it, reasons for the targets that `explained` selects.
pub(crate) fn target_table(fields: &[FieldTargets], explained: impl Fn(&str, f64) -> bool) -> String {
    let mut targets: Vec<f64> = fields.iter().flat_map(|field| field.targets.iter().map(|target| target.target)).collect();
    targets.sort_by(|a, b| b.total_cmp(a));
    targets.dedup();
    let columns: Vec<String> = targets.iter().map(|target| format_target(*target)).collect();
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|field| {
            let cell = |target: &f64| field.targets.iter().find(|row| row.target == *target).map_or_else(String::new, coverage);
            std::iter::once(field.field.clone()).chain(targets.iter().map(cell)).collect()
        })
        .collect();
    let right: Vec<&str> = columns.iter().map(String::as_str).collect();
    let header: Vec<&str> = std::iter::once("field").chain(right.iter().copied()).collect();
    let mut text = format!("answered without review, by target accuracy (on unseen examples)\n{}", table(&header, &right, &rows));
    for field in fields {
        for target in field.targets.iter().filter(|target| explained(&field.field, target.target)) {
            if let Some(reason) = &target.reason {
                let _ = writeln!(text, "{} at {}: not reached: {reason}", field.field, format_target(target.target));
            }
        }
    }
    text
}

/// The coverage of a target, or a dash if it is not reached.
pub(crate) fn coverage(target: &Target) -> String {
    match (target.threshold, target.coverage) {
        (Some(_), Some(coverage)) => format!("{:.1} %", 100.0 * coverage),
        (Some(_), None) => "yes".to_owned(),
        (None, _) => "–".to_owned(),
    }
}

/// A target accuracy with at least two digits.
pub(crate) fn format_target(target: f64) -> String {
    let short = format!("{target:.2}");
    if short.parse() == Ok(target) { short } else { target.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(target: f64, coverage: f64, reason: Option<&str>) -> Target {
        let threshold = reason.is_none().then_some(0.7);
        Target { target, threshold, coverage: Some(coverage), lower_bound: None, reason: reason.map(str::to_owned) }
    }

    #[test]
    fn targets_are_columns_and_unreached_ones_have_a_reason() {
        let fields =
            [FieldTargets { field: "law".to_owned(), targets: vec![target(0.95, 0.0, Some("3 errors")), target(0.9, 0.345, None)] }];
        let text = target_table(&fields, |_, target| target == 0.95);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("field") && lines[1].contains("0.95") && lines[1].ends_with("0.90"), "{text}");
        assert!(lines[2].contains('–') && lines[2].ends_with("34.5 %"), "{text}");
        assert_eq!(lines[3], "law at 0.95: not reached: 3 errors");
        assert_eq!(target_table(&fields, |_, _| false).lines().count(), 3);
        assert_eq!((format_target(0.9), format_target(0.995)), ("0.90".to_owned(), "0.995".to_owned()));
    }
}
