//! Bytes of the file: counted, decompressed when they are gzip, cut off where a bound is exceeded, and cut into the elements of the array.
//!
//! Elements are found by their brackets and quotes alone, which is several times as fast as a JSON parser that is fed byte by byte;
//! whether one is JSON is found out by whoever reads it. Memory holds one element and a chunk.

use std::cell::RefCell;
use std::io::{self, BufReader, Cursor, Read};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use serde::de::{Error as _, IgnoredAny};
use serde_json::error::Category;

use crate::import::error::ImportError;
use crate::import::options::ImportLimits;
use crate::import::shapes::{Nested, Shape, Text, Word};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];
const CHUNK_BYTES: usize = 256 * 1024;

/// The raw input; counts, and remembers its own failure so that it is not taken for a damaged gzip stream.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(read) => {
                self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                *self.failure.borrow_mut() = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// The elements of the array in the file.
pub(super) struct Elements<'r> {
    source: Box<dyn Read + 'r>,
    gzip: bool,
    buffer: Vec<u8>,
    /// First byte that was not consumed, and end of what was read.
    next: usize,
    filled: usize,
    /// Place in the file of the start of the buffer, after decompression.
    base: u64,
    /// Elements handed out.
    index: u64,
    ended: bool,
    limits: ImportLimits,
    bytes_read: Arc<AtomicU64>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<'r> Elements<'r> {
    /// Looks at the first bytes to tell gzip from plain and to find out whether this can be an array at all.
    pub(super) fn open(inner: impl Read + 'r, limits: ImportLimits, bytes_read: Arc<AtomicU64>) -> Result<Self, ImportError> {
        let failure = Rc::default();
        let mut raw = Counted { inner, bytes_read: Arc::clone(&bytes_read), failure: Rc::clone(&failure) };
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        if let Err(error) = (&mut raw).take(GZIP_MAGIC.len() as u64).read_to_end(&mut head) {
            let source = failure.take().unwrap_or(error);
            return Err(ImportError::Read { bytes_read: bytes_read.load(Ordering::Relaxed), source });
        }
        let gzip = head == GZIP_MAGIC;
        let whole = Cursor::new(head).chain(raw);
        let source: Box<dyn Read + 'r> =
            if gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, whole))) } else { Box::new(whole) };
        let mut elements =
            Self { source, gzip, buffer: Vec::new(), next: 0, filled: 0, base: 0, index: 0, ended: false, limits, bytes_read, failure };
        elements.expect_array()?;
        Ok(elements)
    }

    /// The next element as its bytes; `None` when the array and the file have ended.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, ImportError> {
        if self.ended {
            return Ok(None);
        }
        let mut byte = self.peek_in_array()?;
        if self.index > 0 {
            match byte {
                b',' => self.next += 1,
                b']' => return self.end().map(|()| None),
                _ => return Err(self.unexpected("expected `,` or `]` after a task")),
            }
            byte = self.peek_in_array()?;
        } else if byte == b']' {
            return self.end().map(|()| None);
        }
        let found = match byte {
            b'{' | b'[' => self.find_end(Nested::default())?,
            b'"' => self.find_end(Text::default())?,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.find_end(Word)?,
            _ => return Err(self.unexpected("expected a task")),
        };
        self.next = found.end;
        self.index += 1;
        Ok(Some(&self.buffer[found]))
    }

    /// The error of an element that is no JSON: of the last one that was handed out.
    pub(super) fn malformed(&self, element_bytes: usize, source: serde_json::Error, at: usize) -> ImportError {
        let byte_offset = self.base + (self.next - element_bytes + at) as u64;
        ImportError::InvalidJson { byte_offset, task_index: self.index - 1, source }
    }

    fn end(&mut self) -> Result<(), ImportError> {
        self.next += 1;
        self.ended = true;
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.unexpected("expected nothing after the array")),
        }
    }

    fn unexpected(&self, expected: &'static str) -> ImportError {
        let source = serde_json::Error::custom(expected);
        ImportError::InvalidJson { byte_offset: self.base + self.next as u64, task_index: self.index, source }
    }

    /// The next byte that is no white space, unconsumed.
    fn peek(&mut self) -> Result<Option<u8>, ImportError> {
        loop {
            while self.next < self.filled {
                match self.buffer[self.next] {
                    b' ' | b'\t' | b'\r' | b'\n' => self.next += 1,
                    byte => return Ok(Some(byte)),
                }
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn peek_in_array(&mut self) -> Result<u8, ImportError> {
        let end = self.peek()?;
        end.ok_or_else(|| self.truncated())
    }

    fn truncated(&self) -> ImportError {
        let byte_offset = self.base + self.filled as u64;
        ImportError::Truncated { what: "JSON", byte_offset, task_index: self.index }
    }

    /// Where the element that begins at `next` is.
    fn find_end(&mut self, mut shape: impl Shape) -> Result<Range<usize>, ImportError> {
        let mut scanned = 0;
        loop {
            if let Some(length) = shape.end_in(&self.buffer[self.next + scanned..self.filled]) {
                return Ok(self.next..self.next + scanned + length);
            }
            scanned = self.filled - self.next;
            // brackets or quotes that do not fit together may be what hides the end
            match self.fill() {
                Ok(0) => return Err(self.malformed_so_far().unwrap_or_else(|| self.truncated())),
                Ok(_) => {}
                Err(error @ ImportError::TooLarge { .. }) => return Err(self.malformed_so_far().unwrap_or(error)),
                Err(error) => return Err(error),
            }
        }
    }

    /// What is wrong with the element that has begun, if that can be told without its end.
    fn malformed_so_far(&self) -> Option<ImportError> {
        let begun = &self.buffer[self.next..self.filled];
        let error = serde_json::from_slice::<IgnoredAny>(begun).err().filter(|error| error.classify() == Category::Syntax)?;
        let byte_offset = self.base + (self.next + place_of(&error, begun)) as u64;
        Some(ImportError::InvalidJson { byte_offset, task_index: self.index, source: error })
    }

    /// Reads more behind what is there; returns how much, 0 at the end of the file.
    fn fill(&mut self) -> Result<usize, ImportError> {
        let waiting = self.filled - self.next;
        if waiting as u64 > self.limits.task_bytes {
            return Err(self.too_large("the task", self.limits.task_bytes));
        }
        if self.base + self.filled as u64 > self.limits.total_bytes {
            return Err(self.too_large("the file", self.limits.total_bytes));
        }
        if self.next > 0 {
            self.buffer.copy_within(self.next..self.filled, 0);
            (self.base, self.next, self.filled) = (self.base + self.next as u64, 0, waiting);
        }
        if self.buffer.len() < self.filled + CHUNK_BYTES {
            // doubled, so that a large task is not moved for every chunk of it
            self.buffer.resize((2 * self.buffer.len()).max(self.filled + CHUNK_BYTES), 0);
        } else if self.buffer.len() > 64 * CHUNK_BYTES && self.filled < CHUNK_BYTES {
            // one huge task must not cost its memory for the rest of the file
            self.buffer.truncate(2 * CHUNK_BYTES);
            self.buffer.shrink_to_fit();
        }
        loop {
            let room = self.buffer.len().min(self.filled + 4 * CHUNK_BYTES);
            match self.source.read(&mut self.buffer[self.filled..room]) {
                Ok(read) => {
                    self.filled += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.reason(error)),
            }
        }
    }

    fn too_large(&self, what: &'static str, limit: u64) -> ImportError {
        ImportError::TooLarge { what, limit, task_index: self.index }
    }

    fn reason(&self, error: io::Error) -> ImportError {
        let byte_offset = self.base + self.filled as u64;
        if let Some(source) = self.failure.take() {
            ImportError::Read { bytes_read: self.bytes_read.load(Ordering::Relaxed), source }
        } else if self.gzip && error.kind() == io::ErrorKind::UnexpectedEof {
            ImportError::Truncated { what: "gzip stream", byte_offset, task_index: self.index }
        } else {
            ImportError::DamagedGzip { byte_offset, source: error }
        }
    }

    /// Skips a byte order mark and white space, and the opening bracket.
    fn expect_array(&mut self) -> Result<(), ImportError> {
        while self.filled < UTF8_BOM.len() && self.fill()? > 0 {}
        if self.buffer[..self.filled].starts_with(&UTF8_BOM) {
            self.next = UTF8_BOM.len();
        }
        let found = match self.peek()? {
            Some(b'[') => {
                self.next += 1;
                return Ok(());
            }
            None => "nothing",
            Some(b'{') => "an object",
            Some(b'"') => "a string",
            Some(b'0'..=b'9' | b'-') => "a number",
            Some(b't' | b'f' | b'n') => "a literal",
            Some(b'<') => "XML or HTML",
            Some(b'P') => "what may be a zip archive",
            Some(_) => "something that is not JSON",
        };
        Err(ImportError::NotAnArray { found })
    }
}

/// Place of an error of the parser in the bytes that it was given.
pub(super) fn place_of(error: &serde_json::Error, bytes: &[u8]) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(line - 2).map_or(0, |(place, _)| place + 1),
    };
    (line_start + error.column().saturating_sub(1)).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(bytes: impl Read) -> Result<Vec<String>, ImportError> {
        let mut elements = Elements::open(bytes, ImportLimits::default(), Arc::default())?;
        let mut all = Vec::new();
        while let Some(element) = elements.next()? {
            all.push(String::from_utf8(element.to_vec()).unwrap());
        }
        Ok(all)
    }

    /// Gives one byte at a time.
    struct Trickle<'b>(&'b [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn plain_and_gzip_and_many_members_read_the_same() {
        assert_eq!(read_all(&b"\xef\xbb\xbf [1,2]"[..]).unwrap(), ["1", "2"]);
        assert_eq!(read_all(&gzip(b" [1,2]")[..]).unwrap(), ["1", "2"]);
        let members = [gzip(b"[1,"), gzip(b""), gzip(b"2]")].concat();
        assert_eq!(read_all(&members[..]).unwrap(), ["1", "2"]);
    }

    #[test]
    fn elements_are_cut_by_their_brackets_and_quotes_however_the_bytes_come() {
        let file = r#" [ {"a":"}]\"{","b":[{}]} ,[[],"\\"], "x\"]," ,-1.5e3, null,true ] "#;
        let expected = [r#"{"a":"}]\"{","b":[{}]}"#, r#"[[],"\\"]"#, r#""x\"],""#, "-1.5e3", "null", "true"];
        assert_eq!(read_all(file.as_bytes()).unwrap(), expected);
        assert_eq!(read_all(Trickle(file.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn a_cut_gzip_stream_is_an_error_wherever_it_is_cut() {
        let whole = gzip(format!("[{}1]", "1,".repeat(100_000)).as_bytes());
        for length in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            let error = read_all(&whole[..length]).unwrap_err();
            assert_eq!(error.code(), "truncated", "{length}: {error}");
        }
    }

    #[test]
    fn a_damaged_gzip_stream_is_told_apart_from_a_cut_one() {
        let mut whole = gzip(format!("[{}1]", "1,".repeat(1000)).as_bytes());
        let checksum = whole.len() - 6;
        whole[checksum] ^= 1;
        assert_eq!(read_all(&whole[..]).unwrap_err().code(), "damaged_gzip");
    }

    #[test]
    fn what_is_no_array_is_named() {
        for (bytes, found) in
            [(&b""[..], "nothing"), (b" {}", "an object"), (b"\"a\"", "a string"), (b"PK\x03\x04", "zip"), (b"<html>", "HTML")]
        {
            let error = read_all(bytes).unwrap_err();
            assert!(error.code() == "not_an_array" && error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn a_failing_reader_is_not_the_files_fault() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        for start in [gzip(b"[1,2,3]")[..8].to_vec(), b"[1,".to_vec()] {
            let error = read_all(start.chain(Broken)).unwrap_err();
            assert_eq!(error.code(), "read_failed");
            assert!(!error.is_client_fault());
        }
    }
}
