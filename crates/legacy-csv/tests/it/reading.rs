//! Reads a file, and looks at what came out.

use aprendiz_legacy_csv::{KnownFields, ReadError, ReadSummary, ReviewFileReader, ReviewRow};

/// What a file has.
pub(crate) struct Found {
    pub(crate) rows: Vec<ReviewRow>,
    pub(crate) summary: ReadSummary,
}

impl Found {
    /// Predicted and accepted value of the only field in the only row.
    pub(crate) fn cell(&self) -> (Option<Vec<String>>, Option<Vec<String>>) {
        assert_eq!((self.rows.len(), self.summary.quarantined), (1, 0), "{:?}", self.summary);
        self.rows[0].cells.first().map(|(_, cell)| (cell.predicted.clone(), cell.accepted.clone())).unwrap_or_default()
    }

    pub(crate) fn has_warning(&self, part: &str) -> bool {
        self.summary.warnings().iter().any(|warning| warning.contains(part))
    }
}

pub(crate) fn read(file: impl AsRef<[u8]>) -> Result<Found, ReadError> {
    let known = KnownFields::default();
    let mut reader = ReviewFileReader::open(file.as_ref(), 1 << 30, &known)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next()? {
        rows.push(row);
    }
    Ok(Found { rows, summary: reader.into_summary() })
}

/// The only cell of a file with one field and one row.
pub(crate) fn cell(predicted: &str, gold: &str, status: &str) -> (Option<Vec<String>>, Option<Vec<String>>) {
    read(format!("task_id\tLaw_pred\tLaw_gold\tLaw_status\n7\t{predicted}\t{gold}\t{status}\n")).unwrap().cell()
}

pub(crate) fn value(text: &str) -> Option<Vec<String>> {
    Some(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
}
