//! Result items, ids and reviewers as Label Studio writes them.

use aprendiz_annotation_types::Span;
use serde_json::Value;

/// Key of `data` that holds the text, and name of the labelled object.
pub(super) const TEXT: &str = "text";
/// Name of the control of labelled spans.
const SPANS: &str = "span";

/// The result item of a control.
pub(super) fn control_item(field: &str, is_categorical: bool, value: &[String], origin: &str, score: Option<f64>) -> Value {
    let (control, key) = if is_categorical { ("choices", "choices") } else { ("textarea", "text") };
    let mut item = serde_json::json!({
        "id": field, "from_name": control_name(field, is_categorical), "to_name": TEXT, "type": control, "origin": origin,
        "value": { key: value },
    });
    if let Some(score) = score {
        item["score"] = Value::from(score);
    }
    item
}

/// The reader strips `_gold` from control names and takes choices named `_status` for a review status. An additional `_gold` prevents both.
fn control_name(field: &str, is_categorical: bool) -> String {
    if field.ends_with("_gold") || (is_categorical && field.ends_with("_status")) { format!("{field}_gold") } else { field.to_owned() }
}

/// The result items of labelled spans, given as a JSON array.
pub(super) fn span_items(field: &str, spans: &str) -> Vec<Value> {
    let spans: Vec<Span> = serde_json::from_str(spans).unwrap_or_default();
    let items = spans.into_iter().enumerate().map(|(index, Span { start, end, text })| {
        serde_json::json!({
            "id": format!("{field}#{}", index + 1), "from_name": SPANS, "to_name": TEXT, "type": "labels", "origin": "manual",
            "value": { "start": start, "end": end, "text": text, "labels": [field] },
        })
    });
    items.collect()
}

/// A user id is a number in Label Studio; any other reviewer is written as an e-mail address.
pub(super) fn format_reviewer(reviewer: &str) -> Value {
    match format_id(reviewer) {
        Value::Number(id) => Value::Number(id),
        _ => serde_json::json!({ "email": reviewer }),
    }
}

/// Writes an id as a number if it is the canonical form of one.
pub(super) fn format_id(id: &str) -> Value {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => Value::from(number),
        _ => Value::from(id),
    }
}
