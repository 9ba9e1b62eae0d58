//! Scores the predictions of a file as the pipeline before this one did: accuracy over labelled rows, after trimming and case folding;
//! coverage is the share of rows with a prediction. Needs no database.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::import::legacy_csv::columns::Columns;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::input::Rows;
use crate::import::legacy_csv::status::{Verdict, verdict_of};
use crate::review_status::ReviewStatus;

/// Figures of one field, or of all together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldScore {
    /// Rows read.
    pub rows: u64,
    /// Rows that say what is right: a gold value, or the status OK beside a prediction.
    pub labelled: u64,
    /// Of these, rows whose prediction is the same but for blanks around it and case.
    pub correct: u64,
    /// Rows with a prediction.
    pub predicted: u64,
    /// `correct` of `labelled`; absent where nothing is labelled.
    pub accuracy: Option<f64>,
    /// `predicted` of `rows`; absent where there are none.
    pub coverage: Option<f64>,
}

/// Figures of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegacyCsvScore {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that could not be read, and were left out.
    pub unreadable: u64,
    /// What stands between two columns.
    pub delimiter: char,
    /// By field, as the file calls it.
    pub fields: BTreeMap<String, FieldScore>,
    /// All fields together.
    pub overall: FieldScore,
}

/// Reads a whole file and scores it. Blocks.
///
/// # Errors
/// When the file is no review file, or cannot be read.
pub fn score(input: impl Read, most_bytes: u64) -> Result<LegacyCsvScore, LegacyCsvError> {
    let mut rows = Rows::open(input, most_bytes)?;
    let columns = Columns::of(&rows.header, &[])?;
    let mut fields: Vec<FieldScore> = vec![FieldScore::default(); columns.fields.len()];
    let (mut count, mut unreadable) = (0, 0);
    let delimiter = rows.delimiter;
    while let Some(record) = rows.next()? {
        count += 1;
        let cell =
            |place: Option<usize>| place.map_or(Some(""), |place| record.get(place).and_then(|bytes| std::str::from_utf8(bytes).ok()));
        let cells: Option<Vec<[&str; 3]>> =
            columns.fields.iter().map(|field| Some([cell(field.predicted)?, cell(field.gold)?, cell(field.status)?])).collect();
        let Some(cells) = cells.filter(|_| record.len() == columns.count) else {
            unreadable += 1;
            continue;
        };
        for (score, [predicted, gold, status]) in fields.iter_mut().zip(cells) {
            score.add(predicted, gold, status);
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
    let fields = columns.fields.iter().map(|columns| columns.shown.clone()).zip(fields).collect();
    Ok(LegacyCsvScore { rows: count, unreadable, delimiter, fields, overall })
}

impl FieldScore {
    fn add(&mut self, predicted: &str, gold: &str, status: &str) {
        let (predicted, gold) = (case_folded(predicted), case_folded(gold));
        let is_ok = verdict_of(status) == Verdict::Said(ReviewStatus::Ok);
        let right = if gold.is_empty() && is_ok { &predicted } else { &gold };
        self.rows += 1;
        self.predicted += u64::from(!predicted.is_empty());
        self.labelled += u64::from(!right.is_empty());
        self.correct += u64::from(!right.is_empty() && *right == predicted);
    }

    fn finish(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "a file has fewer than 2^52 rows")]
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        self.accuracy = share(self.correct, self.labelled);
        self.coverage = share(self.predicted, self.rows);
    }
}

fn case_folded(text: &str) -> String {
    text.trim().to_lowercase().replace('ß', "ss")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_over_labelled_rows_and_coverage_over_all() {
        // worked by hand: gold in four rows of six, three of them right; OK beside a prediction is right as well
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
    fn nothing_labelled_has_no_accuracy() {
        let score = score(&b"Law_pred,Law_gold\n"[..], 100).unwrap();
        assert_eq!((score.overall.accuracy, score.overall.coverage), (None, None));
    }

    #[test]
    fn hostile_rows_are_counted_and_do_no_harm() {
        let mut file = b"Law_pred,Law_gold\nok,ok\n\xff\xfe,x\na,b\0\n".to_vec();
        file.extend(b",".repeat(1_000_000));
        file.extend(b"\n\"never closed,");
        file.extend(b"x\n".repeat(1000));
        let score = score(&file[..], 1 << 30).unwrap();
        assert_eq!((score.rows, score.unreadable), (5, 3));
    }
}
