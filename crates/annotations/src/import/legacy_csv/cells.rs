//! What a row says about a field.

use crate::import::legacy_csv::status::{Verdict, verdict_of};
use crate::normalization::Normalizer;
use crate::review_status::ReviewStatus;

/// What a row says about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// What the extractor said; `None` = the file has no such column, empty = nothing.
    pub(super) predicted: Option<Vec<String>>,
    /// What the reviewer says; `None` = nothing yet, empty = there is no value.
    pub(super) accepted: Option<Vec<String>>,
    /// What is odd about it.
    pub(super) oddity: Option<Oddity>,
}

/// What is odd about a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// The status is none that is known; the values decided.
    UnknownStatus,
    /// The status promises a value and there is none: unreviewed.
    NoValue,
    /// The status is another than that of the values, which decided.
    Contradiction,
}

/// Lets values and status decide: a status that says "no value" wins over the gold value, otherwise the values win. Values are compared
/// as the field writes them.
pub(super) fn cell(predicted: Option<&str>, gold: Option<&str>, status: Option<&str>, normalizer: Option<&Normalizer>) -> Cell {
    let one = |text: &str| {
        let values = if text.trim().is_empty() { Vec::new() } else { vec![text.trim().to_owned()] };
        match normalizer {
            Some(normalizer) => normalizer.apply(&values),
            None => values,
        }
    };
    let predicted = predicted.map(one);
    let gold = gold.map(one).unwrap_or_default();
    let predicted_value = predicted.clone().unwrap_or_default();
    let given = |gold: Vec<String>| if gold.is_empty() { None } else { Some(gold) };
    let (accepted, oddity) = match verdict_of(status.unwrap_or_default()) {
        Verdict::Silent => (given(gold), None),
        Verdict::Unknown => (given(gold), Some(Oddity::UnknownStatus)),
        Verdict::Said(ReviewStatus::Rejected | ReviewStatus::Missing) => {
            let odd = !gold.is_empty();
            (Some(Vec::new()), odd.then_some(Oddity::Contradiction))
        }
        Verdict::Said(ReviewStatus::Ok) => {
            let accepted = given(gold).or_else(|| given(predicted_value.clone()));
            let odd = match &accepted {
                None => Some(Oddity::NoValue),
                Some(accepted) => (predicted.is_some() && *accepted != predicted_value).then_some(Oddity::Contradiction),
            };
            (accepted, odd)
        }
        Verdict::Said(said) => {
            let accepted = given(gold);
            let odd = match &accepted {
                None => Some(Oddity::NoValue),
                Some(accepted) if said == ReviewStatus::Corrected => {
                    (predicted.is_some() && *accepted == predicted_value).then_some(Oddity::Contradiction)
                }
                Some(_) => (!predicted_value.is_empty()).then_some(Oddity::Contradiction),
            };
            (accepted, odd)
        }
    };
    Cell { predicted, accepted, oddity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_status_decide_together() {
        let said = |predicted: &str, gold: &str, status: &str| {
            let cell = cell(Some(predicted), Some(gold), Some(status), None);
            (cell.accepted.map(|value| value.join("|")), cell.oddity)
        };
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(said("Texas", "", "OK"), (value("Texas"), None));
        assert_eq!(said("Texas", " Texas ", "ok"), (value("Texas"), None));
        assert_eq!(said("Texas", "Ohio", "OK"), (value("Ohio"), Some(Oddity::Contradiction)));
        assert_eq!(said("", "", "OK"), (None, Some(Oddity::NoValue)));
        assert_eq!(said("Texas", "Ohio", "corrected"), (value("Ohio"), None));
        assert_eq!(said("Texas", "", "corrected"), (None, Some(Oddity::NoValue)));
        assert_eq!(said("", "Ohio", "new"), (value("Ohio"), None));
        assert_eq!(said("Texas", "", "rejected"), (value(""), None));
        assert_eq!(said("Texas", "Texas", "rejected"), (value(""), Some(Oddity::Contradiction)));
        assert_eq!(said("", "", "missing"), (value(""), None));
        assert_eq!(said("Texas", "", ""), (None, None));
        assert_eq!(said("Texas", "Ohio", ""), (value("Ohio"), None));
        assert_eq!(said("Texas", "Ohio", "ask Maria"), (value("Ohio"), Some(Oddity::UnknownStatus)));
        assert_eq!(cell(None, Some("x"), None, None).predicted, None);
    }
}
