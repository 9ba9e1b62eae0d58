//! Converts the result items of an annotation or prediction to one value per field.
//!
//! The name of a control is the name of its field. Two suffixes of an older labelling configuration are supported: `<field>_gold` is the
//! same field, and a choice of `<field>_status` is its review status. A labelled span belongs to the field named by its label.

use aprendiz_annotation_types::{IndexedText, ReviewStatus, Span, canonical, canonical_label, is_valid_field_name};

use crate::format::controls::{Control, ValueKind, strings};
use crate::format::items::Items;
use crate::format::result_item::ResultItem;
use crate::parse::field_value::{FieldValue, FieldValues};
use crate::parse::places::{Places, SpanCheck};
use crate::parse::result_notes::{ResultNotes, field_name};

/// Shown as the type of an item without one.
const NO_TYPE: &str = "(no type)";
/// Maximum number of values of one control.
const MAX_VALUES: usize = 1_000;

/// Collects the values of one result. An item that cannot be read costs only its field, which is in the notes and is empty here.
pub(crate) fn collect(result: &Items, text: &IndexedText<'_>, check: SpanCheck, notes: &mut ResultNotes) -> FieldValues {
    let mut fields = FieldValues::new();
    let items = &result.items;
    notes.empty_entries(result.empty);
    let places = Places::resolve(items, text, check);
    for (index, item) in items.iter().enumerate() {
        let control = item.control.as_deref().unwrap_or(NO_TYPE);
        let Some(kind) = Control::from_type(control) else {
            notes.unknown_controls.push(control.to_owned());
            if item.control.is_none() {
                notes.reject_untyped(item);
            }
            continue;
        };
        match collect_item(&mut fields, item, control, kind, places.of_item(index), notes) {
            Ok(()) => notes.check_parts(item),
            Err(reason) => notes.reject(item, kind, reason),
        }
    }
    notes.reject_unplaced(&fields);
    clear_unreadable(&mut fields, items, notes);
    fields
}

/// Clears the fields that have an item that cannot be read, and creates those that have no other item.
fn clear_unreadable(fields: &mut FieldValues, items: &[ResultItem], notes: &mut ResultNotes) {
    for name in std::mem::take(&mut notes.unreadable) {
        let field = match name.strip_suffix("_status") {
            Some(field) if fields.contains_key(field) => field,
            _ => &name,
        };
        let has_control = fields.get(field).is_some_and(|value| value.has_control)
            || items
                .iter()
                .any(|item| item.control.as_deref() != Some("labels") && item.from_name.as_deref().map(field_name) == Some(&*name));
        fields.insert(field.to_owned(), FieldValue { has_control, ..FieldValue::default() });
        notes.unreadable.insert(field.to_owned());
    }
}

/// Adds the value of one item. A place that cannot be read costs only itself.
///
/// # Errors
/// With the reason why the item cannot be read.
fn collect_item(
    fields: &mut FieldValues,
    item: &ResultItem,
    control: &str,
    kind: Control,
    place: Option<Result<&Span, &str>>,
    notes: &mut ResultNotes,
) -> Result<(), String> {
    let value = item.value.as_ref().ok_or_else(|| match item.from_name.as_deref() {
        Some(name) => format!("the `{control}` item of `{name}` has no value"),
        None => format!("a `{control}` item has no value"),
    })?;
    if kind == Control::Labels {
        let labels = strings(value.get("labels")).ok_or("a labelled span has no list of labels")?;
        match place {
            Some(Ok(span)) => return collect_span(fields, &labels, span, item.score),
            Some(Err(reason)) => notes.unplaced(reason, &labels),
            None => notes.unplaced("a labelled span has no start and end: it was left out", &labels),
        }
        return Ok(());
    }
    let name = item.from_name.as_deref().ok_or_else(|| format!("a `{control}` item has no from_name"))?;
    let values = kind.values(value).ok_or_else(|| format!("the `{control}` item of `{name}` does not hold {}", kind.expected_value()))?;
    if let Some((field, status)) = parse_status(name, kind, &values) {
        let entry = field_entry(fields, field)?;
        entry.has_control = true;
        entry.status = Some(status);
        return Ok(());
    }
    let entry = field_entry(fields, field_name(name))?;
    entry.has_control = true;
    entry.value_kind = entry.value_kind.max(kind.value_kind());
    entry.score = min_score(entry.score, item.score);
    // a per-region control has the span of its region
    match place {
        Some(Ok(span)) => entry.spans.push(span.clone()),
        Some(Err(reason)) => notes.lost_place(reason, field_name(name)),
        None => {}
    }
    for value in values.iter().take(MAX_VALUES + 1) {
        push_distinct(&mut entry.values, value, entry.value_kind);
    }
    if entry.values.len().max(values.len()) > MAX_VALUES {
        return Err(format!("`{name}` has more than {MAX_VALUES} values"));
    }
    Ok(())
}

fn collect_span(fields: &mut FieldValues, labels: &[String], span: &Span, score: Option<f64>) -> Result<(), String> {
    for label in labels {
        let entry = field_entry(fields, label)?;
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

/// Adds a value in its stored form; a category has single spaces.
fn push_distinct(values: &mut Vec<String>, value: &str, kind: ValueKind) {
    let value = if kind == ValueKind::Categorical { canonical_label(value) } else { canonical(value) };
    if !value.is_empty() && !values.iter().any(|other| *other == value) {
        values.push(value.into_owned());
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
    use aprendiz_annotation_types::FieldKind;
    use serde_json::{Value, json};

    use super::*;

    fn collect_items(items: &Value, text: &str) -> Result<(FieldValues, Vec<String>), String> {
        let items = Items { items: serde_json::from_value(items.clone()).unwrap(), empty: 0 };
        let mut notes = ResultNotes::default();
        let fields = collect(&items, &IndexedText::new(text), SpanCheck::Strict, &mut notes);
        match notes.left_out.into_iter().chain(notes.bad_places).next() {
            Some((reason, _)) => Err(reason),
            None => Ok((fields, notes.unknown_controls)),
        }
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
            (json!([{"type": "labels", "value": {"start": "/p[1]", "end": 4, "labels": ["a"]}}]), "path into HTML"),
            (json!([{"type": "labels", "value": {"start": -1, "end": 4, "labels": ["a"]}}]), "whole numbers"),
            (json!([{"type": "labels", "value": {"start": 0, "end": 1, "text": "x", "labels": ["a"]}}]), "is not that of the document"),
        ] {
            let reason = collect_items(&items, "a").unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
