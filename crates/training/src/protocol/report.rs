//! Report files of scored examples, from which thresholds and metrics are computed.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use aprendiz_evaluation::{Label, ScoredExample};
use serde::{Deserialize, Serialize};

use crate::error::TrainingError;

/// Out-of-fold scores of train examples.
pub const OUT_OF_FOLD_FILE: &str = "out_of_fold.jsonl";

/// Scores of validation examples by the final model.
pub const VALIDATION_FILE: &str = "validation.jsonl";

/// One scored example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRow {
    /// The document.
    pub document_id: String,
    /// The field.
    pub field: String,
    /// Accepted value; `null` = no value.
    pub gold: Label,
    /// Most probable class.
    pub predicted: Label,
    /// Its probability.
    pub confidence: f64,
    /// Probability of `gold`; 0 for a label without training examples.
    pub gold_probability: f64,
    /// Group of near-duplicates that the document belongs to.
    pub group: String,
    /// Whether the model knows no feature of the text.
    #[serde(default)]
    pub no_known_feature: bool,
}

impl From<ReportRow> for ScoredExample {
    fn from(row: ReportRow) -> Self {
        Self {
            gold: row.gold,
            predicted: row.predicted,
            confidence: row.confidence,
            gold_probability: Some(row.gold_probability),
            group: Some(row.group),
            never_answered: row.no_known_feature,
        }
    }
}

impl ReportRow {
    /// Reads a report file.
    ///
    /// # Errors
    /// `io` if it cannot be read, `bad_dataset` with the line number if a line is malformed.
    pub fn read_all(path: &Path) -> Result<Vec<Self>, TrainingError> {
        let text = fs::read_to_string(path).map_err(TrainingError::io(path))?;
        let parse = |(number, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|error| TrainingError::BadDataset {
                path: path.to_owned(),
                line: Some(number + 1),
                reason: error.to_string(),
            })
        };
        text.lines().enumerate().map(parse).collect()
    }
}

/// Writes a report file. Replaces an existing one.
pub(crate) fn write(path: &Path, rows: &[ReportRow]) -> Result<(), TrainingError> {
    let mut file = BufWriter::new(File::create(path).map_err(TrainingError::io(path))?);
    for row in rows {
        serde_json::to_writer(&mut file, row)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(TrainingError::io(path))?;
    }
    file.flush().map_err(TrainingError::io(path))
}
