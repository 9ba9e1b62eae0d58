//! Reads the rows of a review file.

use std::collections::BTreeMap;
use std::io::Read;

use aprendiz_annotation_types::{MAX_ID_CHARS, Normalizer, QuarantinedTask, parse_time, truncate_printable};
use chrono::{DateTime, Utc};
use csv::ByteRecord;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cell::{Cell, CellWarning, resolve_cell};
use crate::columns::Columns;
use crate::csv_reader::CsvReader;
use crate::error::ReadError;

/// Maximum number of quarantined rows kept in the summary; all are counted.
const MAX_QUARANTINED_ROWS: usize = 10_000;
const MAX_VALUE_CHARS: usize = 10_000;
const MAX_REASON_CHARS: usize = 500;
/// Maximum number of unknown statuses counted separately; the rest is counted as `(others)`.
const MAX_UNKNOWN_STATUSES: usize = 50;

/// A valid row.
#[derive(Debug)]
pub struct ReviewRow {
    /// Number of the row, from 1.
    pub number: u64,
    /// Document id of this installation.
    pub document_id: Option<Uuid>,
    /// Project within the source.
    pub project: Option<String>,
    /// Id within the project; absent if the file name identifies the document.
    pub task_id: Option<String>,
    /// File name of the document.
    pub file_name: Option<String>,
    /// The document that this row can create, if the row has a text.
    pub document: Option<RowDocument>,
    /// Who reviewed it.
    pub reviewer: Option<String>,
    /// When it was reviewed.
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Fields with a prediction or a review.
    pub cells: Vec<(String, Cell)>,
}

/// A document given by a row.
#[derive(Debug)]
pub struct RowDocument {
    /// Id within the project: from the row, its file name, or a hash of its text.
    pub task_id: String,
    /// The text.
    pub text: String,
    /// Other columns.
    pub metadata: BTreeMap<String, String>,
}

/// What was found in a file besides its valid rows.
#[derive(Debug, Default)]
pub struct ReadSummary {
    /// Rows after the header.
    pub rows: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Column delimiter.
    pub delimiter: char,
    /// Column prefix by field.
    pub columns: BTreeMap<String, String>,
    /// Quarantined rows.
    pub quarantined: u64,
    /// The first quarantined rows.
    pub quarantined_rows: Vec<QuarantinedTask>,
    /// Statuses that are not in the vocabulary, with their number.
    pub unknown_statuses: BTreeMap<String, u64>,
    /// Cells whose status contradicts their values.
    pub contradictions: u64,
    /// Cells whose status implies a value and that have none.
    pub missing_values: u64,
}

/// Reads the rows of a review file.
pub struct ReviewFileReader<'r> {
    reader: CsvReader<'r>,
    columns: Columns,
    /// Normalization rules of the fields of `columns`.
    normalizers: Vec<Option<&'r Normalizer>>,
    summary: ReadSummary,
}

/// The cells of a row as text.
struct RowText<'r> {
    cells: Vec<&'r str>,
}

impl<'r> RowText<'r> {
    /// The trimmed content of a cell, unless it is empty or the column is absent.
    fn non_empty(&self, column: Option<usize>) -> Option<&'r str> {
        column.map(|column| self.cells[column].trim()).filter(|text| !text.is_empty())
    }

    /// The content of a cell; `None` only if the column is absent.
    fn raw(&self, column: Option<usize>) -> Option<&'r str> {
        column.map(|column| self.cells[column])
    }
}

impl<'r> ReviewFileReader<'r> {
    /// Opens a file and reads its header. A column prefix that is a spelling of one of `known_fields` is that field.
    ///
    /// # Errors
    /// If it is not a review file, or cannot be read.
    pub fn open(
        input: impl Read + 'r,
        max_bytes: u64,
        known_fields: &[String],
        normalizers: &'r BTreeMap<String, Normalizer>,
    ) -> Result<Self, ReadError> {
        let reader = CsvReader::open(input, max_bytes)?;
        let columns = Columns::from_header(&reader.header, known_fields)?;
        if !columns.identify_documents() {
            let reason = "no column identifies the document of a row: add a column document_id, task_id, file_name or text".to_owned();
            return Err(ReadError::BadHeader { reason });
        }
        let prefixes = columns.fields.iter().map(|columns| (columns.field.clone(), columns.prefix.clone())).collect();
        let summary = ReadSummary { delimiter: reader.delimiter, columns: prefixes, ..ReadSummary::default() };
        let normalizers = columns.fields.iter().map(|columns| normalizers.get(&columns.field)).collect();
        Ok(Self { reader, columns, normalizers, summary })
    }

    /// Returns the next valid row, or `None` at the end. Invalid rows are quarantined.
    ///
    /// # Errors
    /// If the file as a whole is invalid or cannot be read.
    #[expect(clippy::should_implement_trait, reason = "fallible, as `next` of other readers here")]
    pub fn next(&mut self) -> Result<Option<ReviewRow>, ReadError> {
        while let Some(record) = self.reader.next()? {
            self.summary.rows += 1;
            let number = self.summary.rows;
            match parse_row(number, record, &self.columns, &self.normalizers, &mut self.summary) {
                Ok(row) => return Ok(Some(row)),
                Err(reason) => self.quarantine(number, &reason),
            }
        }
        Ok(None)
    }

    /// Quarantines a row that the caller rejects.
    pub fn quarantine(&mut self, row: u64, reason: &str) {
        self.summary.quarantined += 1;
        if self.summary.quarantined_rows.len() < MAX_QUARANTINED_ROWS {
            let reason = truncate_printable(reason, MAX_REASON_CHARS);
            self.summary.quarantined_rows.push(QuarantinedTask { task_index: row, task_id: None, reason, json: None });
        }
    }

    /// The summary of what was read so far.
    #[must_use]
    pub fn into_summary(self) -> ReadSummary {
        ReadSummary { bytes: self.reader.bytes(), ..self.summary }
    }
}

fn parse_row(
    number: u64,
    record: &ByteRecord,
    columns: &Columns,
    normalizers: &[Option<&Normalizer>],
    summary: &mut ReadSummary,
) -> Result<ReviewRow, String> {
    if record.len() != columns.count {
        return Err(format!(
            "it has {} columns instead of {}: look for an unclosed quote, or a delimiter that should be quoted",
            record.len(),
            columns.count
        ));
    }
    let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
    let text = RowText { cells: cells.map_err(|_| "it is not UTF-8: save the file as \"CSV UTF-8\"".to_owned())? };
    if text.cells.iter().any(|cell| cell.contains('\0')) {
        return Err("it contains a NUL character, which the database cannot store".to_owned());
    }
    let cells = parse_cells(&text, columns, normalizers, summary)?;
    let row = identify(number, &text, columns)?;
    Ok(ReviewRow { cells, ..row })
}

/// Resolves the cells of each field that has a prediction or a review.
fn parse_cells(
    row: &RowText<'_>,
    columns: &Columns,
    normalizers: &[Option<&Normalizer>],
    summary: &mut ReadSummary,
) -> Result<Vec<(String, Cell)>, String> {
    let mut cells = Vec::with_capacity(columns.fields.len());
    for (field, normalizer) in columns.fields.iter().zip(normalizers) {
        let status = row.raw(field.status);
        let cell = resolve_cell(row.raw(field.predicted), row.raw(field.gold), status, *normalizer);
        if cell.predicted.iter().chain(&cell.accepted).flatten().any(|value| value.chars().count() > MAX_VALUE_CHARS) {
            return Err(format!("a value of `{}` has more than {MAX_VALUE_CHARS} characters", field.prefix));
        }
        match cell.warning {
            Some(CellWarning::UnknownStatus) => {
                let counts = &mut summary.unknown_statuses;
                let status = truncate_printable(status.unwrap_or_default().trim(), 60);
                let name = if counts.contains_key(&status) || counts.len() < MAX_UNKNOWN_STATUSES { status } else { "(others)".to_owned() };
                *counts.entry(name).or_default() += 1;
            }
            Some(CellWarning::Contradiction) => summary.contradictions += 1,
            Some(CellWarning::MissingValue) => summary.missing_values += 1,
            None => {}
        }
        if cell.predicted.is_some() || cell.accepted.is_some() {
            cells.push((field.field.clone(), cell));
        }
    }
    Ok(cells)
}

/// Identifies the document of a row. Returns the row without its cells.
fn identify(number: u64, row: &RowText<'_>, columns: &Columns) -> Result<ReviewRow, String> {
    let given = row.non_empty(columns.document_id);
    let document_id = given.and_then(|id| Uuid::parse_str(id).ok());
    // anything but a UUID is an id of the source
    let task_id = row.non_empty(columns.task_id).or(given.filter(|_| document_id.is_none()));
    let file_name = row.non_empty(columns.file_name);
    let text = row.raw(columns.text).filter(|text| !text.trim().is_empty());
    if document_id.is_none() && task_id.is_none() && file_name.is_none() && text.is_none() {
        return Err("it does not say which document it is about".to_owned());
    }
    let (reviewer, project) = (row.non_empty(columns.reviewer), row.non_empty(columns.project));
    if let Some(long) = [task_id, reviewer, project].into_iter().flatten().find(|id| id.chars().count() > MAX_ID_CHARS) {
        return Err(format!("`{}…` has more than {MAX_ID_CHARS} characters", truncate_printable(long, 40)));
    }
    let reviewed_at = row.non_empty(columns.reviewed_at).map(parse_time).transpose()?;
    let new_task_id = match (task_id, file_name, text) {
        (Some(id), _, _) => Some(id.to_owned()),
        (None, Some(name), _) => Some(truncate_printable(name, MAX_ID_CHARS)),
        (None, None, Some(text)) => Some(hex::encode(&Sha256::digest(text.as_bytes())[..8])),
        (None, None, None) => None,
    };
    let document = text.zip(new_task_id.clone()).map(|(text, task_id)| {
        let metadata = columns.others.iter().filter_map(|(column, name)| Some((name.clone(), row.non_empty(Some(*column))?.to_owned())));
        RowDocument { task_id, text: text.to_owned(), metadata: metadata.collect() }
    });
    Ok(ReviewRow {
        number,
        document_id,
        project: project.map(str::to_owned),
        task_id: if file_name.is_none() || task_id.is_some() { new_task_id } else { None },
        file_name: file_name.map(str::to_owned),
        document,
        reviewer: reviewer.map(str::to_owned),
        reviewed_at,
        cells: Vec::new(),
    })
}
