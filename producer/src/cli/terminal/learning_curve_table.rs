//! Learning curves of a run: accuracy by the share of the train split, and what more labels would bring.

use aprendiz_evaluation::{FORECAST_FACTORS, LearningCurve};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::terminal::table;

/// Details of the metric `learning_curve`.
#[derive(Deserialize)]
struct Details {
    percents: Vec<u64>,
    #[serde(flatten)]
    curve: LearningCurve,
    /// Why there is no extrapolation.
    undefined: Option<String>,
    remark: String,
}

/// Name of all fields together.
const ALL_FIELDS: &str = "(all fields)";

/// One row per field with the accuracy of each part and the expected changes, from the details of the metrics; no field = all fields. Nothing
/// without a learning curve.
pub(crate) fn learning_curve_table(curves: &[(Option<&str>, &Value)]) -> String {
    let decode =
        |(field, details): &(Option<&str>, &Value)| Some((field.unwrap_or(ALL_FIELDS).to_owned(), Details::deserialize(*details).ok()?));
    let mut fields: Vec<(String, Details)> = curves.iter().filter_map(decode).collect();
    let Some((_, first)) = fields.first() else { return String::new() };
    let remark = first.remark.clone();
    // the row of all fields comes last
    fields.sort_by_key(|(field, _)| (field == ALL_FIELDS, field.clone()));
    let mut percents: Vec<u64> = fields.iter().flat_map(|(_, details)| details.percents.iter().copied()).collect();
    percents.sort_unstable();
    percents.dedup();
    let rows: Vec<Vec<String>> = fields
        .iter()
        .map(|(field, details)| {
            let point = |percent: &u64| {
                let index = details.percents.iter().position(|measured| measured == percent)?;
                details.curve.points.get(index)
            };
            let accuracies =
                percents.iter().map(|percent| point(percent).map_or("–".to_owned(), |point| format!("{:.3}", point.accuracy)));
            let interval = details.curve.points.last().map(|point| point.interval);
            let interval = interval.map_or("–".to_owned(), |interval| format!("{:.3} to {:.3}", interval.low, interval.high));
            let gains =
                FORECAST_FACTORS.map(|factor| details.curve.gain(factor).map_or("–".to_owned(), |gain| format!("{:+.1}", 100.0 * gain)));
            std::iter::once(field.clone()).chain(accuracies).chain([interval]).chain(gains).collect()
        })
        .collect();
    let columns: Vec<String> = percents
        .iter()
        .map(|percent| format!("{percent} %"))
        .chain(["95 % interval".to_owned()])
        .chain(FORECAST_FACTORS.map(|factor| format!("{:+.0} % labels", 100.0 * (factor - 1.0))))
        .collect();
    let right: Vec<&str> = columns.iter().map(String::as_str).collect();
    let header: Vec<&str> = std::iter::once("field").chain(right.iter().copied()).collect();
    let mut text = format!(
        "\nlearning curve: accuracy on the validation split by share of the train split, and expected change in points with more labels\n{}",
        table(&header, &right, &rows)
    );
    for (field, details) in &fields {
        if let Some(reason) = &details.undefined {
            text.push_str(&format!("{field}: no extrapolation: {reason}\n"));
        }
    }
    if fields.iter().any(|(_, details)| details.curve.fit.is_some()) {
        text.push_str(&format!("{remark}.\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use aprendiz_evaluation::LearningPoint;
    use serde_json::json;

    use super::*;

    fn details(points: &[(u64, u64)], percents: &[u64]) -> Value {
        let points = points.iter().map(|(train, correct)| LearningPoint::new(*train, *correct, 100, 100).unwrap()).collect();
        let mut details = json!(LearningCurve::new(points));
        details["percents"] = json!(percents);
        details["remark"] = json!("An extrapolation");
        if percents.len() < 3 {
            details["undefined"] = json!("fewer than three distinct numbers of labels");
        }
        details
    }

    #[test]
    fn parts_are_columns_and_expected_changes_are_in_points() {
        let all = details(&[(1, 50), (4, 70), (16, 80)], &[20, 60, 100]);
        let law = details(&[(4, 60), (9, 70)], &[60, 100]);
        let text = learning_curve_table(&[(None, &all), (Some("law"), &law)]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(lines[0].starts_with("field") && lines[0].contains("20 %") && lines[0].ends_with("+100 % labels"), "{text}");
        assert!(lines[1].starts_with("law") && lines[1].contains('–') && lines[1].contains("0.700"), "{text}");
        // 0.9 − 0.4 / √n from 16 to 32
        assert!(lines[2].starts_with("(all fields)") && lines[2].contains("0.500") && lines[2].ends_with("+2.9"), "{text}");
        assert_eq!(lines[3..], ["law: no extrapolation: fewer than three distinct numbers of labels", "An extrapolation."]);
        assert_eq!(learning_curve_table(&[]), "");
    }
}
