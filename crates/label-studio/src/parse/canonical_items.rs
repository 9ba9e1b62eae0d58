//! Brings result items to a canonical form before their values are collected: names of fields, numbers and offsets.

use aprendiz_annotation_types::{canonical_number, is_valid_field_name};
use serde_json::{Number, Value};

use crate::format::controls::Control;
use crate::format::result_item::ResultItem;
use crate::parse::parser::Parser;

/// Suffixes of control names that belong to the field before them.
const SUFFIXES: [&str; 2] = ["_gold", "_status"];

impl Parser<'_> {
    /// Names the fields of the items, and writes numbers in their canonical form. An item whose name cannot become the name of a field is
    /// removed and counted; a labelled span loses that label.
    pub(super) fn canonicalize_items(&mut self, items: &mut Vec<ResultItem>) {
        items.retain_mut(|item| {
            let Some(control) = item.control.as_deref().and_then(Control::from_type) else {
                return true;
            };
            if let Some(value) = &mut item.value {
                for (key, value) in value.iter_mut() {
                    match key.as_str() {
                        "start" | "end" => make_whole(value),
                        "number" | "rating" => make_canonical(value),
                        _ => {}
                    }
                }
            }
            if control == Control::Labels {
                if let Some(Value::Array(labels)) = item.value.as_mut().and_then(|value| value.get_mut("labels")) {
                    labels.retain_mut(|label| self.rename_label(label));
                }
                return true;
            }
            match item.from_name.as_mut() {
                Some(name) => self.rename_control(name),
                None => true,
            }
        });
    }

    fn rename_label(&mut self, label: &mut Value) -> bool {
        let Value::String(name) = label else {
            return true;
        };
        if is_valid_field_name(name) {
            return true;
        }
        let field = self.names.resolve(name);
        self.findings.field_names.record(name, field.as_deref());
        field.map(|field| *name = field).is_some()
    }

    fn rename_control(&mut self, name: &mut String) -> bool {
        if is_valid_field_name(name) {
            return true;
        }
        let suffix = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix)).unwrap_or_default();
        let label = &name[..name.len() - suffix.len()];
        let field = self.names.resolve(label);
        self.findings.field_names.record(label, field.as_deref());
        field.map(|field| *name = field + suffix).is_some()
    }
}

/// Makes a whole number of an offset such as `7.0`.
fn make_whole(value: &mut Value) {
    let Value::Number(number) = value else {
        return;
    };
    let whole = number.is_f64().then(|| canonical_number(&number.to_string())).flatten().and_then(|text| text.parse::<u64>().ok());
    if let Some(whole) = whole {
        *number = Number::from(whole);
    }
}

fn make_canonical(value: &mut Value) {
    let canonical = |value: &mut Value| {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => std::mem::take(text),
            _ => return,
        };
        *value = Value::String(canonical_number(text.trim()).unwrap_or(text));
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(canonical),
        single => canonical(single),
    }
}
