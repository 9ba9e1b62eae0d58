//! What a run of kind `auto` has selected for each field, for cards.

use aprendiz_training::TrainingSummary;
use serde_json::Value;

/// A sentence for each field without a full stop; none for runs of another kind.
pub(in crate::pipeline::evaluate) fn sentences(summary: &TrainingSummary) -> Vec<String> {
    let fields = summary.settings["fields"].as_array().filter(|_| summary.settings["run_kind"] == "auto");
    let mut sentences: Vec<String> = fields.into_iter().flatten().filter_map(sentence).collect();
    if let Some(reason) = summary.settings["classifiers_stopped"].as_str() {
        sentences.push(format!("The training of field classifiers stopped: {reason}"));
    }
    sentences
}

fn sentence(field: &Value) -> Option<String> {
    let candidates = field["candidates"].as_array()?.iter().map(|candidate| {
        let accuracy = candidate["accuracy"].as_f64().map_or_else(|| "not measured".to_owned(), |accuracy| format!("{accuracy:.3}"));
        format!("{} {accuracy}", candidate["kind"].as_str().unwrap_or_default())
    });
    let candidates: Vec<String> = candidates.collect();
    let (name, selected) = (field["field"].as_str()?, field["selected"].as_str()?);
    Some(format!("`{name}` is predicted by: {selected}, selected by accuracy and log loss out of fold ({})", candidates.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_described_with_all_candidates() {
        let field = json!({ "field": "law", "selected": "linear", "candidates": [
            { "kind": "linear", "accuracy": 0.5 }, { "kind": "field-classifier", "accuracy": null },
        ] });
        let expected =
            "`law` is predicted by: linear, selected by accuracy and log loss out of fold (linear 0.500, field-classifier not measured)";
        assert_eq!(sentence(&field).as_deref(), Some(expected));
    }
}
