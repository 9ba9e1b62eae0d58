//! Scores the predictions of a file as the pipeline before Aprendiz did.
//!
//! Accuracy is computed over labelled rows, after trimming and case folding; coverage is the fraction of rows with a prediction.

use std::collections::BTreeMap;
use std::io::Read;

use aprendiz_annotation_types::{FieldNames, ReviewStatus, UNUSABLE_NAME, canonical, same_value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::cell_text::MissingWords;
use crate::columns::Columns;
use crate::csv_reader::{CsvReader, CsvRow};
use crate::error::ReadError;
use crate::status::{ParsedStatus, parse_status};

/// Scores of one field, or of all fields together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldScore {
    /// Rows read.
    pub rows: u64,
    /// Labelled rows: those with a gold value, or with the status OK and a prediction.
    pub labelled: u64,
    /// Labelled rows whose prediction equals the label, ignoring case and surrounding white space.
    pub correct: u64,
    /// Rows with a prediction.
    pub predicted: u64,
    /// `correct` divided by `labelled`; absent if no row is labelled.
    pub accuracy: Option<f64>,
    /// `predicted` divided by `rows`; absent if there are no rows.
    pub coverage: Option<f64>,
}

/// Scores of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegacyCsvScore {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that could not be parsed and were left out.
    pub unreadable: u64,
    /// Column delimiter.
    pub delimiter: char,
    /// Scores by column prefix.
    pub fields: BTreeMap<String, FieldScore>,
    /// Scores of all fields together.
    pub overall: FieldScore,
    /// Cells and columns that did not count.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Reads a whole file and scores it. Blocks.
///
/// # Errors
/// If the file is not a review file, or cannot be read.
pub fn score(input: impl Read, max_bytes: u64) -> Result<LegacyCsvScore, ReadError> {
    let mut csv = CsvReader::open(input, max_bytes)?;
    let columns = Columns::from_header(&csv.header, &FieldNames::default())?;
    let mut missing = MissingWords::default();
    let mut fields: Vec<FieldScore> = vec![FieldScore::default(); columns.fields.len()];
    let (mut count, mut unreadable) = (0, 0);
    let delimiter = csv.delimiter;
    while let Some(row) = csv.next()? {
        count += 1;
        let record = csv.record();
        if matches!(row, CsvRow::Damaged(_)) || csv.repeats_header() {
            unreadable += 1;
            continue;
        }
        let cell =
            |column: Option<usize>| column.map_or(Some(""), |column| record.get(column).and_then(|bytes| std::str::from_utf8(bytes).ok()));
        let cells: Option<Vec<[&str; 3]>> =
            columns.fields.iter().map(|field| Some([cell(field.predicted)?, cell(field.gold)?, cell(field.status)?])).collect();
        let Some(cells) = cells.filter(|_| record.len() == columns.count) else {
            unreadable += 1;
            continue;
        };
        for (score, [predicted, gold, status]) in fields.iter_mut().zip(cells) {
            score.add(missing.read(predicted, None), missing.read(gold, None), missing.read(status, None));
        }
    }
    let mut overall = FieldScore::default();
    for score in &mut fields {
        overall.rows += score.rows;
        overall.labelled += score.labelled;
        overall.correct += score.correct;
        overall.predicted += score.predicted;
        score.finish();
    }
    overall.finish();
    let fields = columns.fields.iter().map(|columns| columns.prefix.clone()).zip(fields).collect();
    let mut warnings: Vec<String> = missing.warning().into_iter().collect();
    if !columns.unusable.is_empty() {
        warnings.push(format!("columns `{}` were left out: {UNUSABLE_NAME}", columns.unusable.join("`, `")));
    }
    Ok(LegacyCsvScore { rows: count, unreadable, delimiter, fields, overall, warnings })
}

impl FieldScore {
    fn add(&mut self, predicted: &str, gold: &str, status: &str) {
        let (predicted, gold) = (fold_case(predicted), fold_case(gold));
        let is_ok = parse_status(status) == ParsedStatus::Known(ReviewStatus::Ok);
        let label = if gold.is_empty() && is_ok { &predicted } else { &gold };
        self.rows += 1;
        self.predicted += u64::from(!predicted.is_empty());
        self.labelled += u64::from(!label.is_empty());
        self.correct += u64::from(!label.is_empty() && same_value(label, &predicted));
    }

    fn finish(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "a file has fewer than 2^52 rows")]
        let fraction = |part: u64, total: u64| (total > 0).then(|| part as f64 / total as f64);
        self.accuracy = fraction(self.correct, self.labelled);
        self.coverage = fraction(self.predicted, self.rows);
    }
}

fn fold_case(text: &str) -> String {
    canonical(&canonical(text).to_lowercase().replace('ß', "ss")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_over_labelled_rows_and_coverage_over_all() {
        // computed by hand: five rows have a gold value, and OK with a prediction is a label as well
        let file = "\u{feff}file;Law_pred;Law_gold;Law_status\n\
                    a;Texas; TEXAS ;OK\n\
                    b;ohio;Ohio;\n\
                    c;Utah;Iowa;CORRECTED\n\
                    d;;Maine;NEW\n\
                    e;STRASSE;straße;\n\
                    f;Nevada;;ok\n\
                    g;Idaho;;REJECTED\n\
                    h;;;\n\
                    i;one;two\n";
        let score = score(file.as_bytes(), 1 << 20).unwrap();
        assert_eq!((score.rows, score.unreadable, score.delimiter), (9, 1, ';'));
        let law = &score.fields["Law"];
        assert_eq!((law.rows, law.labelled, law.correct, law.predicted), (8, 6, 4, 6));
        assert_eq!((law.accuracy, law.coverage), (Some(4.0 / 6.0), Some(0.75)));
        assert_eq!(score.overall, *law);
    }

    #[test]
    fn equal_numbers_are_correct_and_words_for_missing_values_do_not_count() {
        let file = "Pages_pred,Pages_gold\n12.0,12\n1e3,1000\n7,nan\nnan,8\nNone,<NA>\n1,01\n";
        let score = score(file.as_bytes(), 1 << 20).unwrap();
        let pages = &score.fields["Pages"];
        assert_eq!((pages.rows, pages.labelled, pages.correct, pages.predicted), (6, 4, 2, 4));
        assert!(score.warnings[0].contains("4 cells"), "{:?}", score.warnings);
    }

    #[test]
    fn nothing_labelled_has_no_accuracy() {
        let score = score(&b"Law_pred,Law_gold\n"[..], 100).unwrap();
        assert_eq!((score.overall.accuracy, score.overall.coverage), (None, None));
    }

    #[test]
    fn malformed_rows_are_counted_and_left_out() {
        let mut file = b"Law_pred,Law_gold\nok,ok\n\xff\xfe,x\na,b\0\n".to_vec();
        file.extend(b",".repeat(1_000_000));
        file.extend(b"\n\"never closed,");
        file.extend(b"x\n".repeat(1000));
        let score = score(&file[..], 1 << 30).unwrap();
        // a row of delimiters only is none
        assert_eq!((score.rows, score.unreadable), (4, 2));
    }
}
