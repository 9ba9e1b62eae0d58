//! From the result items of an annotation or prediction to one answer per field.
//!
//! The control's name is the field. A control `<field>_gold` is that field too, and a choice `<field>_status` of review statuses
//! is the reviewer's verdict on it, as an older labelling configuration had them. A labelled span belongs to the field that its label names.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::fields::{FieldKind, is_iso_date, is_number, is_valid_name};
use crate::import::controls::{Control, Nature, strings};
use crate::import::objects::Item;
use crate::review_status::ReviewStatus;
use crate::spans::{IndexedText, Span};

/// Values of one answer of a control.
const MOST_VALUES: usize = 1_000;

/// What was said about one field.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// Whether a control of the field's own spoke, and not only labelled spans.
    pub(super) has_control: bool,
    /// Trimmed, not empty, without repetition, in the order given.
    pub(super) values: Vec<String>,
    pub(super) spans: Vec<Span>,
    /// The reviewer's verdict, from a `_status` control.
    pub(super) verdict: Option<ReviewStatus>,
    /// Lowest score of the items, as they give one.
    pub(super) score: Option<f64>,
    nature: Nature,
}

/// Answers by field.
pub(super) type Answers = BTreeMap<String, Answer>;

/// What to do about the text of labelled spans.
#[derive(Clone, Copy)]
pub(super) enum SpanCheck {
    /// It must stand at its place: a reviewer marked it.
    Strict,
    /// It is taken as it is: a model's wrong offsets are the model's.
    Lenient,
}

impl Answer {
    /// The value to store: the control's, or the distinct texts of the spans where no control spoke.
    pub(super) fn value(&self) -> Vec<String> {
        if self.has_control {
            return self.values.clone();
        }
        let mut seen = HashSet::new();
        let texts = self.spans.iter().map(|span| span.text.trim()).filter(|text| !text.is_empty() && seen.insert(*text));
        texts.map(str::to_owned).collect()
    }

    /// The kind that the field seems to have, if this answer lets one guess.
    pub(super) fn kind(&self) -> Option<FieldKind> {
        match self.nature {
            Nature::Categorical => Some(FieldKind::Categorical),
            Nature::Number => Some(FieldKind::Number),
            Nature::Free if !self.has_control => Some(FieldKind::Text),
            Nature::Free if self.values.is_empty() => None,
            Nature::Free if self.values.iter().all(|value| is_iso_date(value)) => Some(FieldKind::Date),
            Nature::Free if self.values.iter().all(|value| is_number(value)) => Some(FieldKind::Number),
            Nature::Free => Some(FieldKind::Text),
        }
    }
}

/// Collects the answers of one result; `unknown` hears the type of each item that is not read.
///
/// # Errors
/// With the reason for quarantine.
pub(super) fn collect(items: &[Item], text: &IndexedText<'_>, check: SpanCheck, unknown: &mut dyn FnMut(&str)) -> Result<Answers, String> {
    let mut answers = Answers::new();
    let regions = regions_of(items, text);
    for item in items {
        let control = item.control.as_deref().unwrap_or("(no type)");
        let Some(kind) = Control::of(control) else {
            unknown(control);
            continue;
        };
        let value = item.value.as_ref().ok_or_else(|| format!("a `{control}` item has no value"))?;
        if kind == Control::Labels {
            collect_span(&mut answers, value, text, check, item.score)?;
            continue;
        }
        let name = item.from_name.as_deref().ok_or_else(|| format!("a `{control}` item has no from_name"))?;
        let values = kind.values(value).ok_or_else(|| format!("the `{control}` item of `{name}` does not hold {}", kind.expectation()))?;
        if let Some((field, verdict)) = verdict_of(name, kind, &values) {
            let answer = answer_of(&mut answers, field)?;
            answer.has_control = true;
            answer.verdict = Some(verdict);
            continue;
        }
        let answer = answer_of(&mut answers, name.strip_suffix("_gold").unwrap_or(name))?;
        answer.has_control = true;
        answer.nature = answer.nature.max(kind.nature());
        answer.score = lowest(answer.score, item.score);
        // what is said about a region has the place of that region
        answer.spans.extend(region(&regions, item).cloned().or_else(|| own_place(value, text)));
        for value in values.iter().take(MOST_VALUES + 1) {
            push_distinct(&mut answer.values, value);
        }
        if answer.values.len().max(values.len()) > MOST_VALUES {
            return Err(format!("`{name}` has more than {MOST_VALUES} values"));
        }
    }
    Ok(answers)
}

/// The labelled spans of a result by the id that what is said about them shares.
fn regions_of<'i>(items: &'i [Item], text: &IndexedText<'_>) -> HashMap<&'i str, Span> {
    let mut regions = HashMap::new();
    for item in items.iter().filter(|item| item.control.as_deref() == Some("labels")) {
        if let (Some(id), Some(value)) = (item.id.as_ref().and_then(Value::as_str), &item.value)
            && let (Some(start), Some(end), Some(expected)) = (offset(value, "start"), offset(value, "end"), value.get("text"))
            && let Some(span) = text.span(start, end, expected.as_str())
        {
            regions.insert(id, span);
        }
    }
    regions
}

fn region<'r>(regions: &'r HashMap<&str, Span>, item: &Item) -> Option<&'r Span> {
    regions.get(item.id.as_ref()?.as_str()?)
}

/// The place that an item gives itself, without a text to check it by.
fn own_place(value: &Map<String, Value>, text: &IndexedText<'_>) -> Option<Span> {
    let (start, end) = offset(value, "start").zip(offset(value, "end"))?;
    text.between(start, end).filter(|there| !there.is_empty()).map(|there| Span { start, end, text: there.to_owned() })
}

fn offset(value: &Map<String, Value>, key: &str) -> Option<usize> {
    value.get(key).and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok())
}

fn collect_span(
    answers: &mut Answers,
    value: &Map<String, Value>,
    text: &IndexedText<'_>,
    check: SpanCheck,
    score: Option<f64>,
) -> Result<(), String> {
    let (start, end) = offset(value, "start").zip(offset(value, "end")).ok_or("a labelled span has no whole numbers as start and end")?;
    let expected = match value.get("text") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(_) => return Err("the text of a labelled span is not a string".to_owned()),
    };
    let span = match (text.span(start, end, expected), check, expected) {
        (Some(span), ..) => span,
        (None, SpanCheck::Lenient, Some(text)) => Span { start, end, text: text.to_owned() },
        (None, SpanCheck::Lenient, None) => return Ok(()),
        (None, SpanCheck::Strict, _) => {
            return Err(format!("the text of the span {start}..{end} does not stand there, neither in code points nor in UTF-16 units"));
        }
    };
    for label in strings(value.get("labels")).ok_or("a labelled span has no list of labels")? {
        let answer = answer_of(answers, &label)?;
        answer.score = lowest(answer.score, score);
        answer.spans.push(span.clone());
    }
    Ok(())
}

pub(super) fn answer_of<'a>(answers: &'a mut Answers, field: &str) -> Result<&'a mut Answer, String> {
    if !is_valid_name(field) {
        let shown: String = field.chars().take(100).collect();
        return Err(format!("`{shown}` cannot be the name of a field: rename the control or label to 1 to 100 letters, digits or `_.:-`"));
    }
    Ok(answers.entry(field.to_owned()).or_default())
}

fn verdict_of<'n>(name: &'n str, control: Control, values: &[String]) -> Option<(&'n str, ReviewStatus)> {
    let ([status], Control::Choices) = (values, control) else {
        return None;
    };
    let verdict = match status.trim() {
        "OK" => ReviewStatus::Ok,
        "CORRECTED" => ReviewStatus::Corrected,
        "NEW" => ReviewStatus::New,
        "REJECTED" => ReviewStatus::Rejected,
        "MISSING" => ReviewStatus::Missing,
        _ => return None,
    };
    Some((name.strip_suffix("_status")?, verdict))
}

fn push_distinct(values: &mut Vec<String>, value: &str) {
    let value = value.trim();
    if !value.is_empty() && !values.iter().any(|known| known == value) {
        values.push(value.to_owned());
    }
}

fn lowest(known: Option<f64>, score: Option<f64>) -> Option<f64> {
    match (known, score) {
        (Some(known), Some(score)) => Some(known.min(score)),
        (known, score) => known.or(score),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collected(items: &Value, text: &str) -> Result<(Answers, Vec<String>), String> {
        let items: Vec<Item> = serde_json::from_value(items.clone()).unwrap();
        let mut unknown = Vec::new();
        let answers = collect(&items, &IndexedText::new(text), SpanCheck::Strict, &mut |control| unknown.push(control.to_owned()))?;
        Ok((answers, unknown))
    }

    #[test]
    fn every_control_becomes_a_list_of_strings() {
        let (answers, unknown) = collected(
            &json!([
                {"type": "choices", "from_name": "law", "value": {"choices": [" Texas ", "", "Texas"]}},
                {"type": "textarea", "from_name": "parties", "value": {"text": ["A", "B"]}},
                {"type": "textarea", "from_name": "signed", "value": {"text": "2020-02-29"}},
                {"type": "number", "from_name": "pages", "value": {"number": 12}},
                {"type": "datetime", "from_name": "ends", "value": {"datetime": "2021-01-01"}},
                {"type": "rating", "from_name": "stars", "value": {"rating": 4}},
                {"type": "taxonomy", "from_name": "topic", "value": {"taxonomy": [["Law", "Contract"], ["Tax"]]}},
                {"type": "relation", "from_id": "a", "to_id": "b"},
                {"type": "rectanglelabels", "from_name": "box", "value": {"x": 1}},
            ]),
            "",
        )
        .unwrap();
        let shown: Vec<_> = answers.iter().map(|(name, answer)| (name.as_str(), answer.value(), answer.kind())).collect();
        let text = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            shown,
            [
                ("ends", text(&["2021-01-01"]), Some(FieldKind::Date)),
                ("law", text(&["Texas"]), Some(FieldKind::Categorical)),
                ("pages", text(&["12"]), Some(FieldKind::Number)),
                ("parties", text(&["A", "B"]), Some(FieldKind::Text)),
                ("signed", text(&["2020-02-29"]), Some(FieldKind::Date)),
                ("stars", text(&["4"]), Some(FieldKind::Number)),
                ("topic", text(&["Law / Contract", "Tax"]), Some(FieldKind::Categorical)),
            ]
        );
        assert_eq!(unknown, ["relation", "rectanglelabels"]);
    }

    #[test]
    fn a_label_without_a_control_takes_the_text_of_its_spans() {
        let span = |start: usize, end: usize, text: &str| json!({"type": "labels", "value": {"start": start, "end": end, "text": text, "labels": ["party"]}});
        let (answers, _) = collected(&json!([span(0, 4, "Acme"), span(9, 13, "Acme"), span(5, 8, "and")]), "Acme and Acme").unwrap();
        let party = &answers["party"];
        assert_eq!(party.value(), ["Acme", "and"]);
        assert_eq!(party.spans.len(), 3);
        assert!(!party.has_control);
    }

    #[test]
    fn what_is_said_about_a_region_has_its_place() {
        let (answers, _) = collected(
            &json!([
                {"id": "r1", "type": "labels", "from_name": "span", "value": {"start": 3, "end": 7, "text": "Acme", "labels": ["party"]}},
                {"id": "r1", "type": "choices", "from_name": "role", "value": {"start": 3, "end": 7, "choices": ["Seller"]}},
                {"id": "r1", "type": "textarea", "from_name": "note", "value": {"start": 3, "end": 7, "text": ["the one of Ohio"]}},
                {"id": "q", "type": "choices", "from_name": "law", "value": {"choices": ["Ohio"]}},
                {"id": "t", "type": "choices", "from_name": "nested", "value": {"choices": [["Law", "Contract"]]}},
            ]),
            "😀 Acme",
        )
        .unwrap();
        // the offsets are of UTF-16: the label, whose text is known, shows it
        for field in ["party", "role", "note"] {
            assert_eq!(answers[field].spans, [Span { start: 2, end: 6, text: "Acme".to_owned() }], "{field}");
        }
        assert_eq!(answers["role"].value(), ["Seller"]);
        assert_eq!(answers["note"].value(), ["the one of Ohio"]);
        assert!(answers["law"].spans.is_empty());
        assert_eq!(answers["nested"].value(), ["Law / Contract"]);
    }

    #[test]
    fn too_many_values_are_refused_before_they_cost_time() {
        let many: Vec<String> = (0..=MOST_VALUES).map(|number| number.to_string()).collect();
        let items = json!([{"type": "textarea", "from_name": "a", "value": {"text": many}}]);
        assert!(collected(&items, "").unwrap_err().contains("values"));
    }

    #[test]
    fn old_suffixes_name_the_field_and_the_verdict() {
        let (answers, _) = collected(
            &json!([
                {"type": "textarea", "from_name": "law_gold", "value": {"text": ["Texas"]}},
                {"type": "choices", "from_name": "law_status", "value": {"choices": ["CORRECTED"]}},
                {"type": "choices", "from_name": "order_status", "value": {"choices": ["shipped"]}},
            ]),
            "",
        )
        .unwrap();
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["law", "order_status"]);
        assert_eq!(answers["law"].verdict, Some(ReviewStatus::Corrected));
        assert_eq!(answers["law"].value(), ["Texas"]);
        assert_eq!(answers["order_status"].verdict, None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (items, why) in [
            (json!([{"type": "choices", "from_name": "a"}]), "no value"),
            (json!([{"type": "choices", "value": {"choices": []}}]), "no from_name"),
            (json!([{"type": "choices", "from_name": "a", "value": {"choices": [{"x": 1}]}}]), "list of strings"),
            (json!([{"type": "choices", "from_name": "the law", "value": {"choices": ["x"]}}]), "name of a field"),
            (json!([{"type": "labels", "value": {"start": "/p[1]", "end": 4, "labels": ["a"]}}]), "whole numbers"),
            (json!([{"type": "labels", "value": {"start": 0, "end": 1, "text": "x", "labels": ["a"]}}]), "does not stand there"),
        ] {
            let reason = collected(&items, "a").unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }

    #[test]
    fn words_are_no_numbers_and_no_dates() {
        assert!(is_number("-1.5") && is_number("2020"));
        assert!(!is_number("inf") && !is_number("NaN") && !is_number("1,000"));
        assert!(is_iso_date("2020-02-29"));
        assert!(!is_iso_date("2021-02-29") && !is_iso_date("2021-2-9") && !is_iso_date("[]/[]/2020"));
    }
}
