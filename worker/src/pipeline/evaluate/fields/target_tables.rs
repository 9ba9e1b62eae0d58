//! Target tables of all fields: coverage by target accuracy, from the scores of unseen examples that chose the thresholds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aprendiz_evaluation::{ScoreCurve, TargetRow, target_table};
use aprendiz_runs::NewMetric;
use serde::Serialize;

use crate::interruption::Interruption;

/// Name of the metric: its value is the coverage on unseen examples at the target of the run, its details are the rows of the table.
const METRIC: &str = "coverage_by_target";

/// The tables, by field.
#[derive(Debug, Serialize)]
pub(in crate::pipeline::evaluate) struct TargetTables {
    target: f64,
    fields: BTreeMap<String, Vec<TargetRow>>,
}

impl TargetTables {
    pub(in crate::pipeline::evaluate) fn new(curves: &BTreeMap<String, ScoreCurve>, target: f64) -> Self {
        Self { target, fields: curves.iter().map(|(field, curve)| (field.clone(), target_table(curve, target))).collect() }
    }

    /// The row of the target of the run.
    fn own_row<'a>(&self, rows: &'a [TargetRow]) -> Option<&'a TargetRow> {
        rows.iter().find(|row| row.target == self.target)
    }

    /// The target of the run.
    pub(in crate::pipeline::evaluate) const fn target(&self) -> f64 {
        self.target
    }

    /// The targets that are not that of the run and that a field reaches, with their thresholds.
    pub(in crate::pipeline::evaluate) fn other_thresholds(&self, field: &str) -> Vec<(f64, f64)> {
        let rows = self.fields.get(field).into_iter().flatten().filter(|row| row.target != self.target);
        rows.filter_map(|row| Some((row.target, row.threshold.value()?))).collect()
    }

    /// One metric per field.
    pub(in crate::pipeline::evaluate) fn metrics(&self) -> Result<Vec<NewMetric>, Interruption> {
        let metric = |(field, rows): (&String, &Vec<TargetRow>)| {
            let details =
                serde_json::json!({ "target": self.target, "rows": serde_json::to_value(rows).map_err(Interruption::broken_state)? });
            Ok(NewMetric {
                split: "train",
                field: Some(field.clone()),
                name: METRIC.to_owned(),
                value: self.own_row(rows).map(|row| row.coverage),
                details: Some(details),
            })
        };
        self.fields.iter().map(metric).collect()
    }

    /// A sentence for every field that answers nothing at the target of the run.
    pub(in crate::pipeline::evaluate) fn unreachable(&self) -> impl Iterator<Item = String> {
        self.fields.iter().filter_map(|(field, rows)| {
            let obstacle = self.own_row(rows)?.obstacle()?;
            Some(format!("{field}: target accuracy {} not reached, so nothing is answered: {obstacle}", self.target))
        })
    }

    /// A section of the model card.
    pub(in crate::pipeline::evaluate) fn section(&self) -> String {
        let mut text = "\n## Coverage by target accuracy\n\nShare of the unseen examples (train out of fold, and validation) that is answered without review (near-duplicates count once).\n\n".to_owned();
        let targets: Vec<String> = self.fields.values().next().into_iter().flatten().map(|row| row.target.to_string()).collect();
        // writing to a String cannot fail
        let _ = writeln!(text, "| Field | {} |\n| --- |{}", targets.join(" | "), " --- |".repeat(targets.len()));
        for (field, rows) in &self.fields {
            let cells: Vec<String> = rows
                .iter()
                .map(|row| row.threshold.value().map_or_else(|| "–".to_owned(), |_| format!("{:.1} %", 100.0 * row.coverage)))
                .collect();
            let _ = writeln!(text, "| {field} | {} |", cells.join(" | "));
        }
        for (field, rows) in &self.fields {
            for row in rows {
                if let Some(obstacle) = row.obstacle() {
                    let _ = write!(text, "\n- {field} at {}: not reached: {obstacle}", row.target);
                }
            }
        }
        text.trim_end().to_owned() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_metric_and_a_row_and_unreached_targets_a_reason() {
        let curve: ScoreCurve = serde_json::from_str(r#"{"n":40,"steps":[[0.9,40,40]]}"#).unwrap();
        let tables = TargetTables::new(&[("law".to_owned(), curve)].into(), 0.95);
        let metrics = tables.metrics().unwrap();
        assert_eq!((metrics.len(), metrics[0].value, metrics[0].split), (1, Some(0.0), "train"));
        assert_eq!(metrics[0].details.as_ref().unwrap()["rows"][1]["status"], "target_unreachable");
        assert_eq!(metrics[0].details.as_ref().unwrap()["rows"][2]["status"], "reached");
        let unreachable: Vec<String> = tables.unreachable().collect();
        assert!(unreachable.len() == 1 && unreachable[0].contains("59 without an error would do"), "{unreachable:?}");
        let section = tables.section();
        assert!(section.contains("| law | – | – | 100.0 % | 100.0 % |") && section.contains("- law at 0.95: not reached"), "{section}");
    }
}
