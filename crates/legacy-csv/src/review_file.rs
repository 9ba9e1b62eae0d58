//! Reads the rows of a review file.

use std::collections::BTreeMap;
use std::io::Read;

use aprendiz_annotation_types::{
    HTML_TEXT, IdReading, MAX_ID_CHARS, Normalizer, QuarantinedTask, UNUSABLE_NAME, describe_address, escape_unprintable, has_mojibake,
    is_html, parse_time, read_id, truncate_printable,
};
use aprendiz_text::{choose, count, group_digits};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cell::{Cell, CellWarning, resolve_cell};
use crate::cell_text::MissingWords;
use crate::columns::Columns;
use crate::csv_reader::{CsvReader, CsvRow};
use crate::error::ReadError;
use crate::known_fields::KnownFields;
use crate::record::Record;

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
    /// The id as written in the file, if a spreadsheet or data frame changed it.
    pub written_task_id: Option<String>,
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
    /// Ids that were read as whole numbers or texts, such as `1301.0`, by the first of them.
    pub restored_ids: u64,
    /// The first of these ids and what it was read as.
    pub first_restored_id: Option<(String, String)>,
    /// Rows whose text is only an address; it was not read.
    pub address_texts: u64,
    /// Rows whose text is HTML.
    pub html_texts: u64,
    /// Rows with characters of a wrong encoding.
    pub mojibake_rows: u64,
    /// Columns that look like those of a field but are kept as metadata.
    pub lookalike_columns: Vec<String>,
    /// Field columns that were left out because they cannot name a field.
    pub unusable_columns: Vec<String>,
    /// A warning about cells with words for missing values.
    pub missing_words: Option<String>,
    /// Cells whose status contradicts their values.
    pub contradictions: u64,
    /// Cells whose status implies a value and that have none.
    pub missing_values: u64,
}

/// Reads the rows of a review file.
pub struct ReviewFileReader<'r> {
    reader: CsvReader<'r>,
    columns: Columns,
    rules: FieldRules<'r>,
    missing: MissingWords,
    summary: ReadSummary,
}

/// What is known about the fields of a file.
struct FieldRules<'r> {
    /// Normalization rules by field.
    normalizers: Vec<Option<&'r Normalizer>>,
    /// Allowed values by column.
    allowed: Vec<Option<&'r [String]>>,
}

impl<'r> FieldRules<'r> {
    fn new(columns: &Columns, known: &'r KnownFields) -> Self {
        let mut allowed = vec![None; columns.count];
        for field in &columns.fields {
            for column in [field.predicted, field.gold].into_iter().flatten() {
                allowed[column] = known.allowed_values.get(&field.field).map(Vec::as_slice);
            }
        }
        Self { normalizers: columns.fields.iter().map(|columns| known.normalizers.get(&columns.field)).collect(), allowed }
    }
}

/// The cells of a row as text.
struct RowText<'r> {
    cells: Vec<&'r str>,
    /// The cells as written in the file.
    written: Vec<&'r str>,
}

impl<'r> RowText<'r> {
    /// The trimmed content of a cell, unless it is empty or the column is absent.
    fn non_empty(&self, column: Option<usize>) -> Option<&'r str> {
        column.map(|column| self.cells[column].trim()).filter(|text| !text.is_empty())
    }

    /// The trimmed content of a cell as written, with the marks of spreadsheets, unless it is empty or the column is absent.
    fn written(&self, column: Option<usize>) -> Option<&'r str> {
        self.non_empty(column).and(column).map(|column| self.written[column].trim())
    }

    /// The content of a cell; `None` only if the column is absent.
    fn raw(&self, column: Option<usize>) -> Option<&'r str> {
        column.map(|column| self.cells[column])
    }
}

impl<'r> ReviewFileReader<'r> {
    /// Opens a file and reads its header. A column prefix that is a spelling of a known field is that field.
    ///
    /// # Errors
    /// If it is not a review file, or cannot be read.
    pub fn open(input: impl Read + 'r, max_bytes: u64, known: &'r KnownFields) -> Result<Self, ReadError> {
        let reader = CsvReader::open(input, max_bytes)?;
        let columns = Columns::from_header(&reader.header, &known.names)?;
        if !columns.identify_documents() {
            let reason = "no column identifies the document of a row: add a column document_id, task_id, file_name or text".to_owned();
            return Err(ReadError::BadHeader { reason });
        }
        let prefixes = columns.fields.iter().map(|columns| (columns.field.clone(), columns.prefix.clone())).collect();
        let (unusable_columns, lookalike_columns) = (columns.unusable.clone(), columns.lookalikes());
        let summary =
            ReadSummary { delimiter: reader.delimiter, columns: prefixes, unusable_columns, lookalike_columns, ..ReadSummary::default() };
        let rules = FieldRules::new(&columns, known);
        Ok(Self { reader, columns, rules, missing: MissingWords::default(), summary })
    }

    /// Returns the next valid row, or `None` at the end. Invalid rows are quarantined.
    ///
    /// # Errors
    /// If the file as a whole is invalid or cannot be read.
    #[expect(clippy::should_implement_trait, reason = "fallible, as `next` of other readers here")]
    pub fn next(&mut self) -> Result<Option<ReviewRow>, ReadError> {
        while let Some(row) = self.reader.next()? {
            self.summary.rows += 1;
            let (number, record) = (self.reader.row(), self.reader.record());
            if let CsvRow::Damaged(reason) = row {
                self.quarantine(number, &reason);
                continue;
            }
            if self.reader.repeats_header() {
                self.quarantine(number, "it repeats the header: the file consists of several files");
                continue;
            }
            match parse_row(number, record, &self.columns, &self.rules, &mut self.missing, &mut self.summary) {
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
        ReadSummary { bytes: self.reader.bytes(), missing_words: self.missing.warning(), ..self.summary }
    }
}

fn parse_row(
    number: u64,
    record: &Record,
    columns: &Columns,
    rules: &FieldRules<'_>,
    missing: &mut MissingWords,
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
    let cells = cells.map_err(|_| "it is not UTF-8: save the file as \"CSV UTF-8\"".to_owned())?;
    if cells.iter().any(|cell| cell.contains('\0')) {
        return Err("it contains a NUL character, which the database cannot store".to_owned());
    }
    summary.mojibake_rows += u64::from(cells.iter().any(|cell| has_mojibake(cell)));
    let read = cells.iter().zip(&rules.allowed).map(|(cell, allowed)| missing.read(cell, *allowed)).collect();
    let text = RowText { cells: read, written: cells };
    let row = identify(number, &text, columns, summary)?;
    let cells = parse_cells(&text, columns, &rules.normalizers, summary)?;
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
fn identify(number: u64, row: &RowText<'_>, columns: &Columns, summary: &mut ReadSummary) -> Result<ReviewRow, String> {
    let given = row.non_empty(columns.document_id);
    let document_id = given.and_then(|id| Uuid::parse_str(id).ok());
    // anything but a UUID is an id of the source
    let written = row.written(columns.task_id).or_else(|| row.written(columns.document_id).filter(|_| document_id.is_none()));
    let restored = written.map(restore_id).transpose()?.flatten();
    if let (Some(written), Some(restored)) = (written, &restored) {
        summary.restored_ids += 1;
        summary.first_restored_id.get_or_insert_with(|| (truncate_printable(written, 60), truncate_printable(restored, 60)));
    }
    let (task_id, written_task_id) = (restored.as_deref().or(written), written.filter(|_| restored.is_some()));
    let file_name = row.non_empty(columns.file_name);
    let text = row.raw(columns.text).filter(|text| !text.trim().is_empty());
    let address = text.and_then(describe_address);
    summary.address_texts += u64::from(address.is_some());
    // the row may still be about a document that exists
    let text = text.filter(|_| address.is_none());
    summary.html_texts += u64::from(text.is_some_and(is_html));
    if document_id.is_none() && task_id.is_none() && file_name.is_none() && text.is_none() {
        return Err(match address {
            Some(kind) => format!("its text is only an address ({kind}), not the text of a document: fill the column with the texts"),
            None => "it does not say which document it is about".to_owned(),
        });
    }
    let restored = |column| match row.non_empty(column) {
        Some(id) => Ok::<_, String>(Some(restore_id(id)?.unwrap_or_else(|| id.to_owned()))),
        None => Ok(None),
    };
    let (reviewer, project) = (restored(columns.reviewer)?, restored(columns.project)?);
    if let Some(long) =
        [task_id, reviewer.as_deref(), project.as_deref()].into_iter().flatten().find(|id| id.chars().count() > MAX_ID_CHARS)
    {
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
        project,
        written_task_id: written_task_id.map(str::to_owned),
        task_id: if file_name.is_none() || task_id.is_some() { new_task_id } else { None },
        file_name: file_name.map(str::to_owned),
        document,
        reviewer,
        reviewed_at,
        cells: Vec::new(),
    })
}

/// Reads an id that a spreadsheet or data frame may have changed. `None` if it stays as it is.
fn restore_id(id: &str) -> Result<Option<String>, String> {
    if id.contains(is_line_break) {
        return Err(format!(
            "the id `{}` has a line break: look for a lost quote in this row and the one before, or write the id without the line break",
            truncate_printable(&escape_unprintable(id), 60)
        ));
    }
    match read_id(id) {
        IdReading::AsWritten => Ok(None),
        IdReading::Restored(restored) => Ok(Some(restored).filter(|restored| !restored.is_empty() && restored != id)),
        IdReading::Shortened => Err(format!(
            "the id `{}` was shortened by a spreadsheet or data frame and has lost its last digits: export the file again with the ids as text",
            truncate_printable(id, 60)
        )),
    }
}

/// A number with the wording for it.
fn choose_counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", group_digits(number), choose(number, one, many))
}

const fn is_line_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

impl ReadSummary {
    /// Warnings about what was read in another way than written, or left out.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some((written, restored)) = &self.first_restored_id {
            warnings.push(format!(
                "{} as ids: `{written}` as `{restored}`; a document whose id is exactly as written takes precedence",
                choose_counted(
                    self.restored_ids,
                    "id looks like a decimal or a marked text and was read",
                    "ids look like decimals or marked texts and were read"
                )
            ));
        }
        warnings.extend(self.missing_words.clone());
        if self.address_texts > 0 {
            warnings.push(format!(
                "{} only an address (a URL, path or file name) instead of a text; it was not read: fill the column with the texts to create \
                 documents",
                choose_counted(self.address_texts, "row has", "rows have")
            ));
        }
        if self.mojibake_rows > 0 {
            warnings.push(format!(
                "{} characters such as `Ã£`, as if UTF-8 had been read as Windows-1252: they are kept as they are; if the original is right, \
                 export it again as UTF-8",
                choose_counted(self.mojibake_rows, "row has", "rows have")
            ));
        }
        if !self.lookalike_columns.is_empty() {
            warnings.push(format!(
                "columns `{}` were kept as metadata: the columns of a field end with _pred, _gold or _status",
                self.lookalike_columns.join("`, `")
            ));
        }
        if self.html_texts > 0 {
            warnings.push(format!("{}: {HTML_TEXT}", count(self.html_texts, "row")));
        }
        if !self.unusable_columns.is_empty() {
            warnings.push(format!("columns `{}` were left out: {UNUSABLE_NAME}", self.unusable_columns.join("`, `")));
        }
        warnings
    }
}
