//! CSV reader for untrusted files: enforces size limits, and continues with the next line after a row with damaged quotes.

use std::io::{self, Cursor, Read};
use std::ops::Range;

use aprendiz_annotation_types::is_invisible;

use crate::encoding::looks_like_windows_1252;
use crate::error::ReadError;
use crate::file_start::{BUFFER_BYTES, FileStart};
use crate::record::{QuoteFault, Record, Split, count_lines, first_line, line_end, spans_rows, split_record, was_never_opened};

/// Maximum bytes of one row: a text of 10 MiB and its values.
const MAX_ROW_BYTES: usize = 12 << 20;
/// Maximum bytes of the header.
const MAX_HEADER_BYTES: usize = 1 << 20;
const MAX_COLUMNS: usize = 2_000;
/// Maximum bytes after a row in which the rest of its last value is looked for.
const MAX_REST_BYTES: usize = 64 * 1024;
/// Guess about a file with letters that are not UTF-8.
const WINDOWS_1252: &str = ": the file looks like Windows-1252, as Excel writes \"CSV\"";

/// Reads the rows after the header.
pub(crate) struct CsvReader<'r> {
    input: Box<dyn Read + 'r>,
    /// Bytes that were read and are not part of a returned row, from `start`.
    buffer: Vec<u8>,
    start: usize,
    is_end: bool,
    total: u64,
    limit: u64,
    pub(crate) header: Vec<String>,
    pub(crate) delimiter: char,
    record: Record,
    /// Number of the row read last, from 1.
    row: u64,
    /// Number of the line at `start`, from 1.
    line: u64,
    /// Up to which line a damaged row may extend.
    damaged_until: u64,
    /// Whether a row has characters of several bytes: then the file is UTF-8.
    has_utf8: bool,
}

/// A row that was read.
#[derive(Debug)]
pub(crate) enum CsvRow {
    /// Its cells are in [`CsvReader::record`].
    Sound,
    /// Its quotes are damaged. The reason names its lines.
    Damaged(String),
}

impl<'r> CsvReader<'r> {
    /// Opens a file of at most `limit` bytes and reads its header.
    pub(crate) fn open(input: impl Read + 'r, limit: u64) -> Result<Self, ReadError> {
        let mut input = input;
        let FileStart { bytes, delimiter, line } = FileStart::read(&mut input, MAX_HEADER_BYTES)?;
        let mut csv = Self {
            input: Box::new(Cursor::new(bytes).chain(input)),
            buffer: Vec::new(),
            start: 0,
            is_end: false,
            total: 0,
            limit,
            header: Vec::new(),
            delimiter: char::from(delimiter),
            record: Record::default(),
            row: 0,
            line,
            damaged_until: 0,
            has_utf8: false,
        };
        csv.read_header()?;
        csv.header = csv.parse_header()?;
        csv.has_utf8 = csv.header.iter().any(|name| !name.is_ascii());
        Ok(csv)
    }

    fn parse_header(&self) -> Result<Vec<String>, ReadError> {
        if self.record.len() > MAX_COLUMNS {
            let reason = format!("there are {} columns; at most {MAX_COLUMNS} are allowed", self.record.len());
            return Err(ReadError::BadHeader { reason });
        }
        let name = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(name) if name.contains('\0') => Err(ReadError::NotText { what: "the file contains NUL characters".to_owned() }),
            // a mark of another file, or a direction mark, is no part of a name
            Ok(name) => Ok(name.trim_matches(|character: char| character.is_whitespace() || is_invisible(character)).to_owned()),
            Err(_) => {
                let guess = if looks_like_windows_1252(bytes) { WINDOWS_1252 } else { "" };
                Err(ReadError::NotText { what: format!("the header is not UTF-8{guess}") })
            }
        };
        self.record.iter().map(name).collect()
    }

    fn read_header(&mut self) -> Result<(), ReadError> {
        match self.read(MAX_HEADER_BYTES)? {
            None => Err(ReadError::BadHeader { reason: "the file is empty".to_owned() }),
            Some(Split { fault: Some(fault), .. }) => Err(ReadError::BadHeader { reason: format!("in the header, {}", fault.reason()) }),
            Some(Split { length, .. }) => {
                self.consume(length);
                Ok(())
            }
        }
    }

    /// Returns the next row with anything in it, or `None` at the end. Spreadsheets write rows of delimiters for rows that were cleared.
    pub(crate) fn next(&mut self) -> Result<Option<CsvRow>, ReadError> {
        loop {
            self.row += 1;
            let Some(split) = self.read(MAX_ROW_BYTES)? else { return Ok(None) };
            let fault = match split.fault {
                Some(fault) => Some(fault),
                None if self.record.is_blank() => None,
                None => self.find_fault(split.length)?,
            };
            if let Some(fault) = fault {
                return self.skip_damaged(fault, split.length).map(Some);
            }
            self.consume(split.length);
            if !self.record.is_blank() {
                self.check_encoding()?;
                return Ok(Some(CsvRow::Sound));
            }
        }
    }

    /// Looks for lost quotes in a record of sound syntax, `length` bytes long.
    fn find_fault(&mut self, length: usize) -> Result<Option<QuoteFault>, ReadError> {
        let (columns, delimiter) = (self.header.len(), self.delimiter_byte());
        let raw = &self.buffer[self.start..self.start + length];
        let row = &raw[..raw.trim_ascii_end().len()];
        let is_multiline = first_line(row).len() < row.len();
        if is_multiline && self.record.len() != columns {
            return Ok(Some(QuoteFault::WrongColumns));
        }
        if is_multiline && spans_rows(row, delimiter, &self.record) {
            return Ok(Some(QuoteFault::SpansRows));
        }
        let is_prose = || row.windows(2).any(|pair| pair[0] == delimiter && pair[1] == b' ') && !row.contains(&b'"');
        if self.line < self.damaged_until && is_prose() {
            return Ok(Some(QuoteFault::AfterDamage));
        }
        Ok(if self.last_value_goes_on(length)? { Some(QuoteFault::EndsEarly) } else { None })
    }

    /// Whether the lines after a record are the rest of its last value: they have too few delimiters for a row, and end with a quote that
    /// was never opened.
    fn last_value_goes_on(&mut self, length: usize) -> Result<bool, ReadError> {
        let delimiter = self.delimiter_byte();
        let mut at = length;
        while at < length + MAX_REST_BYTES {
            let Some(line) = self.line_at(at)? else { return Ok(false) };
            let line = &self.buffer[line];
            if is_whole_row(line, delimiter, self.header.len()) {
                return Ok(false);
            }
            if line.contains(&b'"') {
                return Ok(!line.starts_with(b"\"")
                    && line.split(|byte| *byte == delimiter).any(|cell| !cell.starts_with(b"\"") && was_never_opened(cell)));
            }
            at += line.len();
            at += line_end(&self.buffer[self.start + at..]);
        }
        Ok(false)
    }

    /// Skips the first line of a record with damaged quotes and the lines after it that cannot be rows. The next row may start anywhere in
    /// the rest: a lost quote costs only its own row.
    fn skip_damaged(&mut self, fault: QuoteFault, length: usize) -> Result<CsvRow, ReadError> {
        let (delimiter, first) = (self.delimiter_byte(), self.line);
        self.damaged_until = self.damaged_until.max(first + 1 + count_lines(&self.buffer[self.start..self.start + length]));
        // delimiters that the rest of the row must have
        let mut missing = self.header.len() - 1;
        if let Some(line) = self.line_at(0)? {
            missing = missing.saturating_sub(count_delimiters(&self.buffer[line.clone()], delimiter));
            self.record.set(&self.buffer[line.clone()]);
            self.check_encoding()?;
            self.consume_line(&line);
        }
        let mut last = first;
        while let Some(line) = self.line_at(0)? {
            let content = &self.buffer[line.clone()];
            if missing == 0 && is_whole_row(content, delimiter, self.header.len()) {
                break;
            }
            let is_rest = missing > 0;
            missing = missing.saturating_sub(count_delimiters(content, delimiter));
            let (is_blank, may_open) = (content.trim_ascii().is_empty(), content.contains(&b'"'));
            // the first line of a row whose value has several lines, be it sound or damaged
            if !is_rest && may_open {
                let length = line.len();
                let opens = self.read(MAX_ROW_BYTES)?.is_some_and(|split| match split.fault {
                    None => split.length > length + 2,
                    Some(fault) => fault != QuoteFault::NeverOpened,
                });
                if opens {
                    break;
                }
            }
            let Some(line) = self.line_at(0)? else { break };
            if !is_blank {
                last = self.line;
            }
            self.consume_line(&line);
        }
        self.damaged_until = self.damaged_until.max(self.line + 1);
        let reason = fault.reason();
        Ok(CsvRow::Damaged(if first == last { format!("line {first}: {reason}") } else { format!("lines {first} to {last}: {reason}") }))
    }

    /// Where the line is that starts `offset` bytes after the current position, without its end. `None` at the end of the file.
    fn line_at(&mut self, offset: usize) -> Result<Option<Range<usize>>, ReadError> {
        loop {
            let start = self.start + offset;
            let rest = &self.buffer[start..];
            let length = first_line(rest).len();
            // the end of the line may be two bytes
            if self.is_end || length + 1 < rest.len() {
                return Ok((!rest.is_empty()).then_some(start..start + length));
            }
            if length > MAX_ROW_BYTES {
                return Err(ReadError::RowTooLong { row: self.row, limit: MAX_ROW_BYTES as u64 });
            }
            self.fill()?;
        }
    }

    /// Consumes the line at the current position with its end.
    fn consume_line(&mut self, line: &Range<usize>) {
        self.consume(line.len() + line_end(&self.buffer[line.end..]));
    }

    /// The row read last.
    pub(crate) const fn record(&self) -> &Record {
        &self.record
    }

    /// Number of the row read last, from 1.
    pub(crate) const fn row(&self) -> u64 {
        self.row
    }

    /// Whether the row read last is the header again, as in files that were appended to one another.
    pub(crate) fn repeats_header(&self) -> bool {
        let is_same = |(cell, name): (&[u8], &String)| {
            let cell = std::str::from_utf8(cell).unwrap_or_default();
            cell.trim_matches(|character: char| character.is_whitespace() || is_invisible(character)) == name
        };
        self.record.len() == self.header.len() && self.record.iter().zip(&self.header).all(is_same)
    }

    /// Fails if the file has another encoding. In a file that is UTF-8 otherwise, only the row is broken.
    fn check_encoding(&mut self) -> Result<(), ReadError> {
        let row = self.record.as_slice();
        if self.has_utf8 || row.is_ascii() {
            return Ok(());
        }
        if self.record.iter().all(|cell| std::str::from_utf8(cell).is_ok()) {
            self.has_utf8 = true;
        } else if self.record.iter().any(|cell| std::str::from_utf8(cell).is_err() && looks_like_windows_1252(cell)) {
            let row = self.row;
            return Err(ReadError::NotText { what: format!("row {row} (the first after the header is 1) is not UTF-8{WINDOWS_1252}") });
        }
        Ok(())
    }

    /// Bytes read so far, without byte order mark and `sep=` line.
    pub(crate) const fn bytes(&self) -> u64 {
        self.total
    }

    fn delimiter_byte(&self) -> u8 {
        u8::try_from(self.delimiter).expect("the delimiter is one byte")
    }

    /// Splits the next record that is not an empty line. `None` at the end of the file.
    fn read(&mut self, limit: usize) -> Result<Option<Split>, ReadError> {
        let delimiter = self.delimiter_byte();
        loop {
            while matches!(self.buffer.get(self.start), Some(b'\n' | b'\r')) {
                let end = line_end(&self.buffer[self.start..]);
                if end == 1 && self.start + 1 == self.buffer.len() && !self.is_end {
                    break;
                }
                self.consume(end);
            }
            let rest = &self.buffer[self.start..];
            if self.is_end && rest.is_empty() {
                return Ok(None);
            }
            if let Some(split) = split_record(rest, delimiter, self.is_end, &mut self.record) {
                return Ok(Some(split));
            }
            if rest.len() > limit {
                // without a line end, there is no place to continue at
                let has_line_end = first_line(rest).len() < rest.len();
                return if has_line_end && !self.header.is_empty() {
                    Ok(Some(Split { length: rest.len(), fault: Some(QuoteFault::NeverClosed) }))
                } else {
                    Err(ReadError::RowTooLong { row: self.row, limit: limit as u64 })
                };
            }
            self.fill()?;
        }
    }

    fn consume(&mut self, length: usize) {
        self.line += count_lines(&self.buffer[self.start..self.start + length]);
        self.start += length;
    }

    /// Reads more bytes: as many as are in the buffer, so that a long record is split again only a few times.
    fn fill(&mut self) -> Result<(), ReadError> {
        if self.total > self.limit {
            return Err(ReadError::TooLarge { limit: self.limit });
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + before.max(BUFFER_BYTES), 0);
        let outcome = loop {
            match self.input.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let read = outcome.as_ref().copied().unwrap_or_default();
        self.buffer.truncate(before + read);
        self.total += read as u64;
        self.is_end = outcome.map_err(ReadError::Io)? == 0;
        Ok(())
    }
}

/// Whether a line has enough delimiters to be a row.
fn is_whole_row(line: &[u8], delimiter: u8, columns: usize) -> bool {
    count_delimiters(line, delimiter) + 1 >= columns
}

fn count_delimiters(line: &[u8], delimiter: u8) -> usize {
    line.iter().filter(|byte| **byte == delimiter).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(char, Vec<Vec<String>>), ReadError> {
        let mut csv = CsvReader::open(bytes, 1 << 30)?;
        let mut all = vec![csv.header.clone()];
        while let Some(row) = csv.next()? {
            assert!(matches!(row, CsvRow::Sound), "{row:?}");
            all.push(csv.record().iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect());
        }
        Ok((csv.delimiter, all))
    }

    #[test]
    fn byte_order_mark_sep_line_and_delimiter_are_detected() {
        for (bytes, delimiter) in [
            (&b"a,b_gold\n1,2\n"[..], ','),
            (b"\xef\xbb\xbfa;b_gold\r\n1;2\r\n", ';'),
            (b"sep=;\na;b_gold\n1;2", ';'),
            (b"\xef\xbb\xbf\"SEP=|\"\r\na|b_gold\r\n1|2", '|'),
            (b"a\tb_gold\n1\t2", '\t'),
            (b"\"a\";\"b_gold\"\n1;2", ';'),
        ] {
            let (found, rows) = read(bytes).unwrap();
            assert_eq!(found, delimiter);
            assert_eq!(rows, [["a", "b_gold"], ["1", "2"]]);
        }
        let (delimiter, rows) = read(b"\"last, first\";b_gold\n\"x;\ny\";2").unwrap();
        assert_eq!((delimiter, rows[1][0].as_str()), (';', "x;\ny"));
    }

    #[test]
    fn files_that_are_not_text_are_named() {
        for (bytes, expected) in
            [(&b"\xff\xfea\0,\0"[..], "UTF-16"), (b"PK\x03\x04...", "workbook"), (b"a,\xe9_gold\n", "UTF-8"), (b"a,b\0_gold\n", "NUL")]
        {
            let error = read(bytes).unwrap_err();
            assert!(error.code() == "not_text" && error.to_string().contains(expected), "{error}");
        }
        assert_eq!(read(b"").unwrap_err().code(), "bad_header");
    }

    #[test]
    fn a_million_columns_are_rejected() {
        let error = read(&b",".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().contains("columns"), "{error}");
        assert!(read(&b"x".repeat(3 << 20)).unwrap_err().to_string().contains("row 0"), "a first line without end");
    }

    #[test]
    fn a_line_without_end_is_rejected() {
        let endless = (&b"a,b_gold\n1,\""[..]).chain(io::repeat(b'x'));
        let mut csv = CsvReader::open(endless, 1 << 40).unwrap();
        let error = csv.next().unwrap_err();
        assert!(matches!(error, ReadError::RowTooLong { row: 1, .. }), "{error}");

        let many = (&b"a,b_gold\n"[..]).chain(io::repeat(b'\n'));
        let mut csv = CsvReader::open(many, 40 << 20).unwrap();
        assert!(matches!(csv.next().unwrap_err(), ReadError::RowTooLong { .. } | ReadError::TooLarge { .. }));
    }
}
