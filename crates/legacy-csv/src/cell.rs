//! The prediction and review of one field in one row.

use aprendiz_annotation_types::{Normalizer, ReviewStatus, canonical, same_value};

use crate::status::{ParsedStatus, parse_status};

/// The cells of one field in one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The predicted value: `None` if the file has no such column, empty if nothing was predicted.
    pub predicted: Option<Vec<String>>,
    /// The accepted value: `None` if unreviewed, empty for "no value".
    pub accepted: Option<Vec<String>>,
    /// An inconsistency between status and values.
    pub warning: Option<CellWarning>,
}

/// An inconsistency between status and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellWarning {
    /// The status is not in the vocabulary; the values decide.
    UnknownStatus,
    /// The status implies a value and there is none; the cell counts as unreviewed.
    MissingValue,
    /// The status contradicts the values; see `resolve_cell` for which of them wins.
    Contradiction,
}

/// Resolves predicted value, gold value and status of a field. A status that means "no value" overrides a gold value; otherwise the values
/// decide. Values are normalized before they are compared.
pub(crate) fn resolve_cell(predicted: Option<&str>, gold: Option<&str>, status: Option<&str>, normalizer: Option<&Normalizer>) -> Cell {
    let parse = |text: &str| {
        let text = canonical(text);
        let values = if text.is_empty() { Vec::new() } else { vec![text.into_owned()] };
        match normalizer {
            Some(normalizer) => normalizer.apply(&values),
            None => values,
        }
    };
    let predicted = predicted.map(parse);
    let gold = gold.map(parse).unwrap_or_default();
    let predicted_value = predicted.clone().unwrap_or_default();
    let non_empty = |value: Vec<String>| if value.is_empty() { None } else { Some(value) };
    let (accepted, warning) = match parse_status(status.unwrap_or_default()) {
        ParsedStatus::Pending => (non_empty(gold), None),
        ParsedStatus::Unknown => (non_empty(gold), Some(CellWarning::UnknownStatus)),
        ParsedStatus::Known(ReviewStatus::Rejected | ReviewStatus::Missing) => {
            let contradicts = !gold.is_empty();
            (Some(Vec::new()), contradicts.then_some(CellWarning::Contradiction))
        }
        ParsedStatus::Known(ReviewStatus::Ok) => {
            let accepted = non_empty(gold).or_else(|| non_empty(predicted_value.clone()));
            let warning = match &accepted {
                None => Some(CellWarning::MissingValue),
                Some(accepted) => (predicted.is_some() && !same(accepted, &predicted_value)).then_some(CellWarning::Contradiction),
            };
            (accepted, warning)
        }
        ParsedStatus::Known(status) => {
            let accepted = non_empty(gold);
            let warning = match &accepted {
                None => Some(CellWarning::MissingValue),
                Some(accepted) if status == ReviewStatus::Corrected => {
                    (predicted.is_some() && same(accepted, &predicted_value)).then_some(CellWarning::Contradiction)
                }
                Some(_) => (!predicted_value.is_empty()).then_some(CellWarning::Contradiction),
            };
            (accepted, warning)
        }
    };
    Cell { predicted, accepted, warning }
}

/// Whether two values are the same. The kind of the field may be unknown, so equal numbers are the same.
fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_status_decide_together() {
        let resolve = |predicted: &str, gold: &str, status: &str| {
            let cell = resolve_cell(Some(predicted), Some(gold), Some(status), None);
            (cell.accepted.map(|value| value.join("|")), cell.warning)
        };
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(resolve("Texas", "", "OK"), (value("Texas"), None));
        assert_eq!(resolve("Texas", " Texas ", "ok"), (value("Texas"), None));
        assert_eq!(resolve("Texas", "Ohio", "OK"), (value("Ohio"), Some(CellWarning::Contradiction)));
        assert_eq!(resolve("1e3", "1000", "OK"), (value("1000"), None));
        assert_eq!(resolve("12.0", "12", "corrected"), (value("12"), Some(CellWarning::Contradiction)));
        assert_eq!(resolve("", "", "OK"), (None, Some(CellWarning::MissingValue)));
        assert_eq!(resolve("Texas", "Ohio", "corrected"), (value("Ohio"), None));
        assert_eq!(resolve("Texas", "", "corrected"), (None, Some(CellWarning::MissingValue)));
        assert_eq!(resolve("", "Ohio", "new"), (value("Ohio"), None));
        assert_eq!(resolve("Texas", "", "rejected"), (value(""), None));
        assert_eq!(resolve("Texas", "Texas", "rejected"), (value(""), Some(CellWarning::Contradiction)));
        assert_eq!(resolve("", "", "missing"), (value(""), None));
        assert_eq!(resolve("Texas", "", ""), (None, None));
        assert_eq!(resolve("Texas", "Ohio", ""), (value("Ohio"), None));
        assert_eq!(resolve("Texas", "Ohio", "ask Maria"), (value("Ohio"), Some(CellWarning::UnknownStatus)));
        assert_eq!(resolve_cell(None, Some("x"), None, None).predicted, None);
    }
}
