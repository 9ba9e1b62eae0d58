//! Takes a review file into the tables, in one transaction, along the way of an import: the same locks, checks and derived states.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tracing::info;
use uuid::Uuid;

use crate::import::batch::Batch;
use crate::import::error::ImportError;
use crate::import::legacy_csv::cells::{Cell, Oddity, cell};
use crate::import::legacy_csv::columns::Columns;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::input::Rows;
use crate::import::legacy_csv::report::LegacyCsvReport;
use crate::import::legacy_csv::settle::{Arrived, settle};
use crate::import::legacy_csv::staging::{self, CellColumns, RowColumns};
use crate::import::one_document::{NewDocument, task_of};
use crate::import::report::Quarantined;
use crate::import::scalars::{LONGEST_ID, printable, time_of};
use crate::normalization::Normalizer;
use crate::normalized_values::normalizers;
use crate::split::SplitRatios;

/// Source of documents and reviews of such files.
pub(super) const SOURCE: &str = "legacy-csv";
/// Project of its documents where neither the file nor the options name one.
const PROJECT: &str = "legacy";
/// Rows that go to the database together …
const ROWS: usize = 500;
/// … unless their texts have as many bytes before.
const TEXT_BYTES: usize = 4 << 20;
const BATCHES_UNDER_WAY: usize = 2;
const QUARANTINE_ROWS: usize = 10_000;
const LONGEST_VALUE: usize = 10_000;
/// Unknown statuses that are counted apart.
const STATUSES: usize = 50;

/// How to take in one file.
#[derive(Debug, Clone)]
pub struct LegacyCsvOptions {
    /// Who takes it in.
    pub actor: String,
    /// Name of the file.
    pub file_name: Option<String>,
    /// Project to look for documents in, and to create them in; by default the column `project`, else any.
    pub project: Option<String>,
    /// When its rows were reviewed, where they do not say so themselves. Reviews that are newer stay what counts.
    pub reviewed_at: DateTime<Utc>,
    /// Shares of the splits for documents of new groups.
    pub ratios: SplitRatios,
    /// Bytes of the whole file; more fails.
    pub most_bytes: u64,
}

/// Some rows on their way to the database.
#[derive(Debug, Default)]
struct Chunk {
    rows: RowColumns,
    cells: CellColumns,
    texts: Batch,
    text_bytes: usize,
}

/// What was counted while reading.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) delimiter: char,
    pub(super) columns: BTreeMap<String, String>,
    pub(super) quarantined: u64,
    pub(super) quarantined_rows: Vec<Quarantined>,
    pub(super) unknown_statuses: BTreeMap<String, u64>,
    pub(super) contradictions: u64,
    pub(super) without_value: u64,
}

/// Takes in a review file from a blocking reader.
///
/// Runs in a transaction of its own (a savepoint when `conn` is in one already, which then must be committed). Rows that cannot be taken
/// in are quarantined; the same file again changes nothing.
///
/// # Errors
/// When it is no review file, cannot be read, or Postgres does not answer. Nothing is left behind then.
pub async fn take_in<R>(conn: &mut PgConnection, input: R, options: &LegacyCsvOptions) -> Result<LegacyCsvReport, LegacyCsvError>
where
    R: Read + Send + 'static,
{
    let started_at = Utc::now();
    let input: Box<dyn Read + Send> = Box::new(input);
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    let known = sqlx::query_scalar!("SELECT name FROM fields").fetch_all(&mut *conn).await?;
    let normalizers = normalizers(conn).await?;
    crate::import::staging::create(conn).await?;
    staging::create(conn).await?;
    let (sender, mut chunks) = mpsc::channel::<Chunk>(BATCHES_UNDER_WAY);
    let reading = tokio::task::spawn_blocking({
        let options = options.clone();
        move || Reader::read(input, &options, &known, &normalizers, &mut |chunk| sender.blocking_send(chunk).is_ok())
    });
    while let Some(chunk) = chunks.recv().await {
        staging::insert(conn, &chunk.rows, &chunk.cells).await?;
        crate::import::staging::insert(conn, &chunk.texts).await?;
    }
    let (counted, bytes) = reading.await.map_err(|lost| LegacyCsvError::Read(std::io::Error::other(lost)))??;
    let report = settle(conn, options, Arrived { import_id: Uuid::now_v7(), started_at, bytes, counted }).await?;
    staging::drop(conn).await?;
    crate::import::staging::drop(conn).await?;
    transaction.commit().await?;
    info!(import.id = %report.import_id, import.rows = report.rows, import.events_created = report.events_created, "took in a review file");
    Ok(report)
}

struct Reader<'o> {
    options: &'o LegacyCsvOptions,
    columns: Columns,
    /// How the values of each of the fields of the columns are written.
    normalizers: Vec<Option<&'o Normalizer>>,
    counted: Counted,
    chunk: Chunk,
    emit: &'o mut dyn FnMut(Chunk) -> bool,
}

/// A row as text, without what is empty.
struct RowText<'r> {
    cells: Vec<&'r str>,
}

impl<'r> RowText<'r> {
    fn at(&self, place: Option<usize>) -> Option<&'r str> {
        place.map(|place| self.cells[place].trim()).filter(|text| !text.is_empty())
    }

    /// What a column holds; an empty cell is something else than no column.
    fn raw(&self, place: Option<usize>) -> Option<&'r str> {
        place.map(|place| self.cells[place])
    }
}

impl<'o> Reader<'o> {
    fn read(
        input: Box<dyn Read + Send>,
        options: &'o LegacyCsvOptions,
        known: &[String],
        normalizers: &'o BTreeMap<String, Normalizer>,
        emit: &'o mut dyn FnMut(Chunk) -> bool,
    ) -> Result<(Counted, u64), LegacyCsvError> {
        let mut rows = Rows::open(input, options.most_bytes)?;
        let columns = Columns::of(&rows.header, known)?;
        if !columns.name_documents() {
            let reason = "no column says which document a row is about: name one document_id, task_id, file_name or text".to_owned();
            return Err(LegacyCsvError::BadHeader { reason });
        }
        let shown = columns.fields.iter().map(|columns| (columns.field.clone(), columns.shown.clone())).collect();
        let counted = Counted { delimiter: rows.delimiter, columns: shown, ..Counted::default() };
        let normalizers = columns.fields.iter().map(|columns| normalizers.get(&columns.field)).collect();
        let mut reader = Self { options, columns, normalizers, counted, chunk: Chunk::default(), emit };
        while let Some(record) = rows.next()? {
            reader.counted.rows += 1;
            let row = reader.counted.rows;
            if let Err(reason) = reader.take(row, record) {
                reader.counted.quarantined += 1;
                if reader.counted.quarantined_rows.len() < QUARANTINE_ROWS {
                    let reason = printable(&reason, 500);
                    reader.counted.quarantined_rows.push(Quarantined { task_index: row, task_id: None, reason });
                }
            }
            if reader.chunk.rows.row.len() >= ROWS || reader.chunk.text_bytes >= TEXT_BYTES {
                let chunk = std::mem::take(&mut reader.chunk);
                if !(reader.emit)(chunk) {
                    break;
                }
            }
        }
        let last = std::mem::take(&mut reader.chunk);
        (reader.emit)(last);
        Ok((reader.counted, rows.bytes()))
    }

    fn take(&mut self, number: u64, record: &csv::ByteRecord) -> Result<(), String> {
        if record.len() != self.columns.count {
            return Err(format!(
                "it has {} columns instead of {}: look for a quote that is not closed, or a delimiter that should be quoted",
                record.len(),
                self.columns.count
            ));
        }
        let cells: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let row = RowText { cells: cells.map_err(|_| "it is not UTF-8: save the file as \"CSV UTF-8\"".to_owned())? };
        if row.cells.iter().any(|cell| cell.contains('\0')) {
            return Err("it holds a NUL character, which the database cannot keep".to_owned());
        }
        let said = self.said(&row)?;
        let index = i64::try_from(number).expect("a file has fewer than 2^63 rows");
        self.name(index, &row)?;
        for (place, said) in said {
            let value = |value: Option<Vec<String>>| value.map(|mut value| value.pop().unwrap_or_default());
            let cells = &mut self.chunk.cells;
            cells.row.push(index);
            cells.field.push(self.columns.fields[place].field.clone());
            cells.predicted.push(value(said.predicted));
            cells.accepted.push(value(said.accepted));
        }
        Ok(())
    }

    /// What the row says about each field, where it says something.
    fn said(&mut self, row: &RowText<'_>) -> Result<Vec<(usize, Cell)>, String> {
        let mut said = Vec::with_capacity(self.columns.fields.len());
        for (place, field) in self.columns.fields.iter().enumerate() {
            let status = row.raw(field.status);
            let found = cell(row.raw(field.predicted), row.raw(field.gold), status, self.normalizers[place]);
            for value in found.predicted.iter().chain(&found.accepted).flatten() {
                if value.chars().count() > LONGEST_VALUE {
                    return Err(format!("a value of `{}` has more than {LONGEST_VALUE} characters", field.shown));
                }
            }
            match found.oddity {
                Some(Oddity::UnknownStatus) => {
                    let known = &mut self.counted.unknown_statuses;
                    let status = printable(status.unwrap_or_default().trim(), 60);
                    let name = if known.contains_key(&status) || known.len() < STATUSES { status } else { "(others)".to_owned() };
                    *known.entry(name).or_default() += 1;
                }
                Some(Oddity::Contradiction) => self.counted.contradictions += 1,
                Some(Oddity::NoValue) => self.counted.without_value += 1,
                None => {}
            }
            if found.predicted.is_some() || found.accepted.is_some() {
                said.push((place, found));
            }
        }
        Ok(said)
    }

    /// Which document the row is about.
    fn name(&mut self, index: i64, row: &RowText<'_>) -> Result<(), String> {
        let columns = &self.columns;
        let given = row.at(columns.document_id);
        let given_id = given.and_then(|id| Uuid::parse_str(id).ok());
        // what is no id of ours is one of the source
        let task_id = row.at(columns.task_id).or(given.filter(|_| given_id.is_none()));
        let file_name = row.at(columns.file_name);
        let text = row.raw(columns.text).filter(|text| !text.trim().is_empty());
        if given_id.is_none() && task_id.is_none() && file_name.is_none() && text.is_none() {
            return Err("it does not say which document it is about".to_owned());
        }
        if let Some(long) =
            [task_id, row.at(columns.reviewer), row.at(columns.project)].into_iter().flatten().find(|id| id.chars().count() > LONGEST_ID)
        {
            return Err(format!("`{}…` has more than {LONGEST_ID} characters", printable(long, 40)));
        }
        let reviewed_at = row.at(columns.reviewed_at).map(time_of).transpose()?;
        let project = self.options.project.as_deref().or(row.at(columns.project));
        let task_name = match (task_id, file_name, text) {
            (Some(id), _, _) => Some(id.to_owned()),
            (None, Some(name), _) => Some(printable(name, LONGEST_ID)),
            (None, None, Some(text)) => Some(hex::encode(&Sha256::digest(text.as_bytes())[..8])),
            (None, None, None) => None,
        };
        if let (Some(text), Some(task_id)) = (text, &task_name) {
            let metadata = columns.others.iter().filter_map(|(place, name)| Some((name.clone(), row.at(Some(*place))?.into()))).collect();
            let new = NewDocument {
                source: SOURCE.to_owned(),
                project: project.unwrap_or(PROJECT).to_owned(),
                task_id: task_id.clone(),
                file_name: file_name.map(str::to_owned),
                metadata,
                text: text.to_owned(),
            };
            let task = task_of(new, self.options.ratios).map_err(|error| match error {
                ImportError::InvalidDocument { part, reason } => format!("{part}: {reason}"),
                other => other.to_string(),
            })?;
            self.chunk.text_bytes += text.len();
            self.chunk.texts.push(index.unsigned_abs(), task);
        }
        let rows = &mut self.chunk.rows;
        rows.row.push(index);
        rows.given_id.push(given_id);
        rows.project.push(project.map(str::to_owned));
        rows.task_id.push(if file_name.is_none() || task_id.is_some() { task_name } else { None });
        rows.base_name.push(file_name.and_then(|name| Path::new(&name.replace('\\', "/")).file_name()?.to_str().map(str::to_owned)));
        rows.file_name.push(file_name.map(str::to_owned));
        rows.has_text.push(text.is_some());
        rows.reviewer.push(row.at(columns.reviewer).map(str::to_owned));
        rows.reviewed_at.push(reviewed_at);
        Ok(())
    }
}
