//! Converts the result items of an annotation or prediction to one value per field.
//!
//! The name of a control is the name of its field. Two suffixes of an older labelling configuration are supported: `<field>_gold` is the
//! same field, and a choice of `<field>_status` is its review status. A labelled span belongs to the field named by its label.

use std::collections::{BTreeMap, HashMap, HashSet};

use aprendiz_annotation_types::{FieldKind, IndexedText, ReviewStatus, Span, is_iso_date, is_number, is_valid_field_name};
use serde_json::{Map, Value};

use crate::format::annotation::ResultItem;
use crate::format::controls::{Control, ValueKind, strings};

/// Maximum number of values of one control.
const MAX_VALUES: usize = 1_000;

/// The value of one field.
#[derive(Debug, Default, PartialEq)]
pub struct FieldValue {
    /// Whether the field has a control of its own in the result, not only labelled spans.
    pub has_control: bool,
    /// Values of the controls: trimmed, non-empty, distinct, in the order of the file.
    pub values: Vec<String>,
    /// Labelled spans.
    pub spans: Vec<Span>,
    /// The review status, from a `_status` control.
    pub status: Option<ReviewStatus>,
    /// Lowest score of the items that have one.
    pub score: Option<f64>,
    value_kind: ValueKind,
}

/// Values by field.
pub type FieldValues = BTreeMap<String, FieldValue>;

/// How the text of a labelled span is checked.
#[derive(Clone, Copy)]
pub(crate) enum SpanCheck {
    /// It must equal the document's text at its offsets: a reviewer marked it.
    Strict,
    /// It is accepted as it is: a model may have wrong offsets.
    Lenient,
}

impl FieldValue {
    /// The value to store: that of the control, or the distinct texts of the spans if there is no control.
    #[must_use]
    pub fn value(&self) -> Vec<String> {
        if self.has_control {
            return self.values.clone();
        }
        let mut seen = HashSet::new();
        let texts = self.spans.iter().map(|span| span.text.trim()).filter(|text| !text.is_empty() && seen.insert(*text));
        texts.map(str::to_owned).collect()
    }

    /// The field kind that this value implies, if any.
    #[must_use]
    pub fn kind(&self) -> Option<FieldKind> {
        match self.value_kind {
            ValueKind::Categorical => Some(FieldKind::Categorical),
            ValueKind::Number => Some(FieldKind::Number),
            ValueKind::Free if !self.has_control => Some(FieldKind::Text),
            ValueKind::Free if self.values.is_empty() => None,
            ValueKind::Free if self.values.iter().all(|value| is_iso_date(value)) => Some(FieldKind::Date),
            ValueKind::Free if self.values.iter().all(|value| is_number(value)) => Some(FieldKind::Number),
            ValueKind::Free => Some(FieldKind::Text),
        }
    }
}

/// Collects the values of one result. `on_unknown_control` is called with the type of each unsupported item.
///
/// # Errors
/// With the reason for quarantine.
pub(crate) fn collect(
    items: &[ResultItem],
    text: &IndexedText<'_>,
    check: SpanCheck,
    on_unknown_control: &mut dyn FnMut(&str),
) -> Result<FieldValues, String> {
    let mut fields = FieldValues::new();
    let regions = index_regions(items, text);
    for item in items {
        let control = item.control.as_deref().unwrap_or("(no type)");
        let Some(kind) = Control::from_type(control) else {
            on_unknown_control(control);
            continue;
        };
        let value = item.value.as_ref().ok_or_else(|| format!("a `{control}` item has no value"))?;
        if kind == Control::Labels {
            collect_span(&mut fields, value, text, check, item.score)?;
            continue;
        }
        let name = item.from_name.as_deref().ok_or_else(|| format!("a `{control}` item has no from_name"))?;
        let values =
            kind.values(value).ok_or_else(|| format!("the `{control}` item of `{name}` does not hold {}", kind.expected_value()))?;
        if let Some((field, status)) = parse_status(name, kind, &values) {
            let entry = field_entry(&mut fields, field)?;
            entry.has_control = true;
            entry.status = Some(status);
            continue;
        }
        let entry = field_entry(&mut fields, name.strip_suffix("_gold").unwrap_or(name))?;
        entry.has_control = true;
        entry.value_kind = entry.value_kind.max(kind.value_kind());
        entry.score = min_score(entry.score, item.score);
        // a per-region control has the span of its region
        entry.spans.extend(region(&regions, item).cloned().or_else(|| own_span(value, text)));
        for value in values.iter().take(MAX_VALUES + 1) {
            push_distinct(&mut entry.values, value);
        }
        if entry.values.len().max(values.len()) > MAX_VALUES {
            return Err(format!("`{name}` has more than {MAX_VALUES} values"));
        }
    }
    Ok(fields)
}

/// Indexes the labelled spans of a result by the id that per-region controls share with them.
fn index_regions<'i>(items: &'i [ResultItem], text: &IndexedText<'_>) -> HashMap<&'i str, Span> {
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

fn region<'r>(regions: &'r HashMap<&str, Span>, item: &ResultItem) -> Option<&'r Span> {
    regions.get(item.id.as_ref()?.as_str()?)
}

/// The span given by the offsets of an item itself, which has no text to check against.
fn own_span(value: &Map<String, Value>, text: &IndexedText<'_>) -> Option<Span> {
    let (start, end) = offset(value, "start").zip(offset(value, "end"))?;
    text.between(start, end).filter(|text| !text.is_empty()).map(|text| Span { start, end, text: text.to_owned() })
}

fn offset(value: &Map<String, Value>, key: &str) -> Option<usize> {
    value.get(key).and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok())
}

fn collect_span(
    fields: &mut FieldValues,
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
            return Err(format!(
                "the text of the span {start}..{end} does not match the document at these offsets, neither in code points nor in UTF-16 units"
            ));
        }
    };
    for label in strings(value.get("labels")).ok_or("a labelled span has no list of labels")? {
        let entry = field_entry(fields, &label)?;
        entry.score = min_score(entry.score, score);
        entry.spans.push(span.clone());
    }
    Ok(())
}

/// The value of a field, created if it is absent.
///
/// # Errors
/// If the name is not a valid field name.
pub(crate) fn field_entry<'a>(fields: &'a mut FieldValues, field: &str) -> Result<&'a mut FieldValue, String> {
    if !is_valid_field_name(field) {
        let shown: String = field.chars().take(100).collect();
        return Err(format!("`{shown}` is not a valid field name: rename the control or label to 1 to 100 letters, digits or `_.:-`"));
    }
    Ok(fields.entry(field.to_owned()).or_default())
}

fn parse_status<'n>(name: &'n str, control: Control, values: &[String]) -> Option<(&'n str, ReviewStatus)> {
    let ([status], Control::Choices) = (values, control) else {
        return None;
    };
    let status = match status.trim() {
        "OK" => ReviewStatus::Ok,
        "CORRECTED" => ReviewStatus::Corrected,
        "NEW" => ReviewStatus::New,
        "REJECTED" => ReviewStatus::Rejected,
        "MISSING" => ReviewStatus::Missing,
        _ => return None,
    };
    Some((name.strip_suffix("_status")?, status))
}

fn push_distinct(values: &mut Vec<String>, value: &str) {
    let value = value.trim();
    if !value.is_empty() && !values.iter().any(|other| other == value) {
        values.push(value.to_owned());
    }
}

fn min_score(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn collect_items(items: &Value, text: &str) -> Result<(FieldValues, Vec<String>), String> {
        let items: Vec<ResultItem> = serde_json::from_value(items.clone()).unwrap();
        let mut unknown = Vec::new();
        let fields = collect(&items, &IndexedText::new(text), SpanCheck::Strict, &mut |control| unknown.push(control.to_owned()))?;
        Ok((fields, unknown))
    }

    #[test]
    fn every_control_becomes_a_list_of_strings() {
        let (fields, unknown) = collect_items(
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
        let shown: Vec<_> = fields.iter().map(|(name, entry)| (name.as_str(), entry.value(), entry.kind())).collect();
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
        let (fields, _) = collect_items(&json!([span(0, 4, "Acme"), span(9, 13, "Acme"), span(5, 8, "and")]), "Acme and Acme").unwrap();
        let party = &fields["party"];
        assert_eq!(party.value(), ["Acme", "and"]);
        assert_eq!(party.spans.len(), 3);
        assert!(!party.has_control);
    }

    #[test]
    fn per_region_controls_have_the_span_of_their_region() {
        let (fields, _) = collect_items(
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
        // the offsets are UTF-16 units, as the label shows, whose text is known
        for field in ["party", "role", "note"] {
            assert_eq!(fields[field].spans, [Span { start: 2, end: 6, text: "Acme".to_owned() }], "{field}");
        }
        assert_eq!(fields["role"].value(), ["Seller"]);
        assert_eq!(fields["note"].value(), ["the one of Ohio"]);
        assert!(fields["law"].spans.is_empty());
        assert_eq!(fields["nested"].value(), ["Law / Contract"]);
    }

    #[test]
    fn too_many_values_are_rejected_early() {
        let many: Vec<String> = (0..=MAX_VALUES).map(|number| number.to_string()).collect();
        let items = json!([{"type": "textarea", "from_name": "a", "value": {"text": many}}]);
        assert!(collect_items(&items, "").unwrap_err().contains("values"));
    }

    #[test]
    fn gold_and_status_suffixes_set_value_and_status() {
        let (fields, _) = collect_items(
            &json!([
                {"type": "textarea", "from_name": "law_gold", "value": {"text": ["Texas"]}},
                {"type": "choices", "from_name": "law_status", "value": {"choices": ["CORRECTED"]}},
                {"type": "choices", "from_name": "order_status", "value": {"choices": ["shipped"]}},
            ]),
            "",
        )
        .unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["law", "order_status"]);
        assert_eq!(fields["law"].status, Some(ReviewStatus::Corrected));
        assert_eq!(fields["law"].value(), ["Texas"]);
        assert_eq!(fields["order_status"].status, None);
    }

    #[test]
    fn invalid_items_have_a_reason() {
        for (items, why) in [
            (json!([{"type": "choices", "from_name": "a"}]), "no value"),
            (json!([{"type": "choices", "value": {"choices": []}}]), "no from_name"),
            (json!([{"type": "choices", "from_name": "a", "value": {"choices": [{"x": 1}]}}]), "list of strings"),
            (json!([{"type": "choices", "from_name": "the law", "value": {"choices": ["x"]}}]), "valid field name"),
            (json!([{"type": "labels", "value": {"start": "/p[1]", "end": 4, "labels": ["a"]}}]), "whole numbers"),
            (json!([{"type": "labels", "value": {"start": 0, "end": 1, "text": "x", "labels": ["a"]}}]), "does not match the document"),
        ] {
            let reason = collect_items(&items, "a").unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
