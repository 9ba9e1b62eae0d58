//! CSV reader for untrusted files: detects byte order mark, `sep=` line and delimiter, and enforces size limits.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use aprendiz_annotation_types::is_invisible;
use csv::{ByteRecord, ReaderBuilder};

use crate::encoding::{looks_like_utf16, looks_like_windows_1252};
use crate::error::ReadError;

/// Maximum bytes of one row: a text of 10 MiB and its values.
const MAX_ROW_BYTES: u64 = 12 << 20;
/// Maximum bytes of the header.
const MAX_HEADER_BYTES: usize = 1 << 20;
const MAX_COLUMNS: usize = 2_000;
const BUFFER_BYTES: usize = 64 * 1024;
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
/// Guess about a file with letters that are not UTF-8.
const WINDOWS_1252: &str = ": the file looks like Windows-1252, as Excel writes \"CSV\"";
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads the rows after the header.
pub(crate) struct CsvReader<'r> {
    reader: csv::Reader<LimitedReader<'r>>,
    /// Remaining bytes for the current row.
    budget: Rc<Cell<u64>>,
    total: Rc<Cell<u64>>,
    limit: u64,
    pub(crate) header: Vec<String>,
    pub(crate) delimiter: char,
    record: ByteRecord,
    /// Number of the row read last, from 1.
    row: u64,
    /// Whether a row has characters of several bytes: then the file is UTF-8.
    has_utf8: bool,
}

struct LimitedReader<'r> {
    inner: Box<dyn Read + 'r>,
    budget: Rc<Cell<u64>>,
    total: Rc<Cell<u64>>,
    limit: u64,
}

impl Read for LimitedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget.get() == 0 || self.total.get() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.inner.read(buffer)?;
        self.budget.set(self.budget.get().saturating_sub(read as u64));
        self.total.set(self.total.get() + read as u64);
        Ok(read)
    }
}

impl<'r> CsvReader<'r> {
    /// Opens a file of at most `limit` bytes and reads its header.
    pub(crate) fn open(input: impl Read + 'r, limit: u64) -> Result<Self, ReadError> {
        let mut input = input;
        let mut start = read_first_lines(&mut input).map_err(ReadError::Io)?;
        let not_text = |what: &str| ReadError::NotText { what: what.to_owned() };
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(not_text("the file is UTF-16, as Excel writes \"Unicode text\""));
        }
        if looks_like_utf16(&start) {
            return Err(not_text("the file looks like UTF-16 without a byte order mark"));
        }
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x1f\x8b") || start.starts_with(b"\xd0\xcf\x11\xe0") {
            return Err(not_text("the file is an archive or a workbook"));
        }
        let mut skip = if start.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        let mut delimiter = None;
        if let Some((separator, length)) = parse_sep_line(&start[skip..]) {
            (delimiter, skip) = (Some(separator), skip + length);
        }
        let delimiter = delimiter.unwrap_or_else(|| detect_delimiter(first_line(&start[skip..])));
        start.drain(..skip);

        let (budget, total) = (Rc::new(Cell::new(MAX_HEADER_BYTES as u64)), Rc::new(Cell::new(0)));
        let limited =
            LimitedReader { inner: Box::new(Cursor::new(start).chain(input)), budget: Rc::clone(&budget), total: Rc::clone(&total), limit };
        let reader =
            ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(limited);
        let mut csv = Self {
            reader,
            budget,
            total,
            limit,
            header: Vec::new(),
            delimiter: char::from(delimiter),
            record: ByteRecord::new(),
            row: 0,
            has_utf8: false,
        };
        if !csv.read(MAX_HEADER_BYTES as u64)? {
            return Err(ReadError::BadHeader { reason: "the file is empty".to_owned() });
        }
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

    /// Returns the next row with anything in it, or `None` at the end. Spreadsheets write rows of delimiters for rows that were cleared.
    pub(crate) fn next(&mut self) -> Result<Option<&ByteRecord>, ReadError> {
        loop {
            self.row += 1;
            if !self.read(MAX_ROW_BYTES)? {
                return Ok(None);
            }
            if !self.record.as_slice().iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        self.check_encoding()?;
        Ok(Some(&self.record))
    }

    /// The row read last.
    pub(crate) const fn record(&self) -> &ByteRecord {
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
    pub(crate) fn bytes(&self) -> u64 {
        self.total.get()
    }

    fn read(&mut self, limit: u64) -> Result<bool, ReadError> {
        self.budget.set(limit);
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                if self.total.get() > self.limit {
                    ReadError::TooLarge { limit: self.limit }
                } else {
                    ReadError::RowTooLong { row: self.row, limit }
                }
            }
            csv::ErrorKind::Io(error) => ReadError::Io(error),
            _ => ReadError::Io(io::Error::other("a row cannot be read as CSV")),
        })
    }
}

/// Reads the first two lines, or as many bytes as a header may have.
fn read_first_lines(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let mut lines = 0;
    while lines < 2 && start.len() < MAX_HEADER_BYTES {
        let before = start.len();
        start.resize(before + BUFFER_BYTES, 0);
        let outcome = input.read(&mut start[before..]);
        start.truncate(before + outcome.as_ref().copied().unwrap_or_default());
        lines += start[before..].iter().filter(|byte| **byte == b'\n').count();
        match outcome {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start)
}

/// Parses a first line `sep=;`, a convention of Excel. Returns the delimiter and the length of the line with its end.
fn parse_sep_line(start: &[u8]) -> Option<(u8, usize)> {
    let line = start.split(|byte| *byte == b'\n').next()?;
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    match text {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some((*delimiter, (line.len() + 1).min(start.len()))),
        _ => None,
    }
}

fn first_line(start: &[u8]) -> &[u8] {
    let mut quoted = false;
    let end = start.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b'\n' && !quoted
    });
    &start[..end.unwrap_or(start.len())]
}

/// Returns the most frequent delimiter outside of quotes.
fn detect_delimiter(line: &[u8]) -> u8 {
    let mut counts = [0_u32; DELIMITERS.len()];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let (false, Some(index)) = (quoted, DELIMITERS.iter().position(|delimiter| delimiter == byte)) {
            counts[index] += 1;
        }
    }
    let best = (0..DELIMITERS.len()).rev().max_by_key(|index| counts[*index]).unwrap_or(0);
    DELIMITERS[best]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(char, Vec<Vec<String>>), ReadError> {
        let mut csv = CsvReader::open(bytes, 1 << 30)?;
        let mut all = vec![csv.header.clone()];
        while let Some(record) = csv.next()? {
            all.push(record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect());
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
