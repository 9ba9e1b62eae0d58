//! First lines of a CSV file: byte order mark, `sep=` line and delimiter. Rejects files that are no text.

use std::io::{self, Read};

use crate::encoding::looks_like_utf16;
use crate::error::ReadError;

/// Bytes read at once.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;
const UTF8_BOM: &[u8] = b"\xef\xbb\xbf";
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What the first lines of a file show.
pub(crate) struct FileStart {
    /// Bytes that were read and follow the byte order mark and the `sep=` line.
    pub(crate) bytes: Vec<u8>,
    pub(crate) delimiter: u8,
    /// Number of the line at which `bytes` start, from 1.
    pub(crate) line: u64,
}

impl FileStart {
    /// Reads about the first two lines, at most `max_bytes` and one buffer.
    pub(crate) fn read(input: &mut impl Read, max_bytes: usize) -> Result<Self, ReadError> {
        let mut start = read_first_lines(input, max_bytes).map_err(ReadError::Io)?;
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
        let (mut delimiter, mut line) = (None, 1);
        if let Some((separator, length)) = parse_sep_line(&start[skip..]) {
            (delimiter, line, skip) = (Some(separator), 2, skip + length);
        }
        let delimiter = delimiter.unwrap_or_else(|| detect_delimiter(header_line(&start[skip..])));
        start.drain(..skip);
        Ok(Self { bytes: start, delimiter, line })
    }
}

/// Reads the first two lines, or about as many bytes as a header may have.
fn read_first_lines(input: &mut impl Read, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let mut lines = 0;
    while lines < 2 && start.len() < max_bytes {
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

fn header_line(start: &[u8]) -> &[u8] {
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
