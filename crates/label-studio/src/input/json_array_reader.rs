//! Streaming reader of a JSON array: decompresses gzip, enforces size limits, and yields the bytes of one element at a time.
//!
//! It is hand-written so that one broken element can be quarantined without losing the rest of the file. Elements are delimited by brackets
//! and quotes alone, which is several times faster than feeding a JSON parser byte by byte; the caller parses each element. Memory holds
//! one element and one chunk.

use std::cell::RefCell;
use std::io::{self, BufReader, Cursor, Read};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use serde::de::{Error as _, IgnoredAny};
use serde_json::error::Category;

use crate::error::ReadError;
use crate::error_offset::error_offset;
use crate::input::json_scanner::{Container, JsonScanner, Literal, StringToken};
use crate::options::ReadLimits;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];
const CHUNK_BYTES: usize = 256 * 1024;

/// The raw input. Counts bytes and keeps its own error, so that a failed read is not reported as a damaged gzip stream.
struct CountingReader<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for CountingReader<R> {
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

/// Reads the elements of the array in a file.
pub(crate) struct JsonArrayReader<'r> {
    source: Box<dyn Read + 'r>,
    gzip: bool,
    buffer: Vec<u8>,
    /// First byte that is not consumed, and end of the bytes read.
    next: usize,
    filled: usize,
    /// Offset of the buffer in the decompressed file.
    base: u64,
    /// Number of elements returned.
    index: u64,
    ended: bool,
    limits: ReadLimits,
    bytes_read: Arc<AtomicU64>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<'r> JsonArrayReader<'r> {
    /// Detects gzip by the first bytes and checks that the content starts with an array.
    pub(crate) fn open(inner: impl Read + 'r, limits: ReadLimits, bytes_read: Arc<AtomicU64>) -> Result<Self, ReadError> {
        let failure = Rc::default();
        let mut raw = CountingReader { inner, bytes_read: Arc::clone(&bytes_read), failure: Rc::clone(&failure) };
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        if let Err(error) = (&mut raw).take(GZIP_MAGIC.len() as u64).read_to_end(&mut head) {
            let source = failure.take().unwrap_or(error);
            return Err(ReadError::Io { bytes_read: bytes_read.load(Ordering::Relaxed), source });
        }
        let gzip = head == GZIP_MAGIC;
        let whole = Cursor::new(head).chain(raw);
        let source: Box<dyn Read + 'r> =
            if gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK_BYTES, whole))) } else { Box::new(whole) };
        let mut reader =
            Self { source, gzip, buffer: Vec::new(), next: 0, filled: 0, base: 0, index: 0, ended: false, limits, bytes_read, failure };
        reader.expect_array()?;
        Ok(reader)
    }

    /// Returns the bytes of the next element, or `None` at the end of the array and the file.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
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
        let element = match byte {
            b'{' | b'[' => self.find_end(Container::default())?,
            b'"' => self.find_end(StringToken::default())?,
            b',' | b':' | b']' | b'}' => return Err(self.unexpected("expected a task")),
            // a number or word, also one that is no JSON
            _ => self.find_end(Literal)?,
        };
        self.next = element.end;
        self.index += 1;
        Ok(Some(&self.buffer[element]))
    }

    /// Builds the error for the last returned element, which is not valid JSON at `offset` in its bytes.
    pub(crate) fn malformed(&self, element_bytes: usize, source: serde_json::Error, offset: usize) -> ReadError {
        let byte_offset = self.base + (self.next - element_bytes + offset) as u64;
        ReadError::InvalidJson { byte_offset, task_index: self.index - 1, source }
    }

    fn end(&mut self) -> Result<(), ReadError> {
        self.next += 1;
        self.ended = true;
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.unexpected("expected the end of the file after the array")),
        }
    }

    fn unexpected(&self, expected: &'static str) -> ReadError {
        let source = serde_json::Error::custom(expected);
        ReadError::InvalidJson { byte_offset: self.base + self.next as u64, task_index: self.index, source }
    }

    /// Returns the next byte that is not white space, without consuming it.
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
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

    fn peek_in_array(&mut self) -> Result<u8, ReadError> {
        let end = self.peek()?;
        end.ok_or_else(|| self.truncated())
    }

    fn truncated(&self) -> ReadError {
        let byte_offset = self.base + self.filled as u64;
        ReadError::Truncated { what: "JSON", byte_offset, task_index: self.index }
    }

    /// Returns the range of the element that starts at `next`.
    fn find_end(&mut self, mut scanner: impl JsonScanner) -> Result<Range<usize>, ReadError> {
        let mut scanned = 0;
        loop {
            if let Some(length) = scanner.find_end(&self.buffer[self.next + scanned..self.filled]) {
                return Ok(self.next..self.next + scanned + length);
            }
            scanned = self.filled - self.next;
            // unbalanced brackets or quotes may be the reason that the end is not found
            match self.fill() {
                Ok(0) => return Err(self.syntax_error_so_far().unwrap_or_else(|| self.truncated())),
                Ok(_) => {}
                Err(error @ ReadError::TooLarge { .. }) => return Err(self.syntax_error_so_far().unwrap_or(error)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the syntax error of the unfinished element, if its first bytes are already invalid.
    fn syntax_error_so_far(&self) -> Option<ReadError> {
        let begun = &self.buffer[self.next..self.filled];
        let error = serde_json::from_slice::<IgnoredAny>(begun).err().filter(|error| error.classify() == Category::Syntax)?;
        let byte_offset = self.base + (self.next + error_offset(&error, begun)) as u64;
        Some(ReadError::InvalidJson { byte_offset, task_index: self.index, source: error })
    }

    /// Reads more bytes into the buffer and returns their number, 0 at the end of the file.
    fn fill(&mut self) -> Result<usize, ReadError> {
        let pending = self.filled - self.next;
        if pending as u64 > self.limits.task_bytes {
            return Err(self.too_large("the task", self.limits.task_bytes));
        }
        if self.base + self.filled as u64 > self.limits.total_bytes {
            return Err(self.too_large("the file", self.limits.total_bytes));
        }
        if self.next > 0 {
            self.buffer.copy_within(self.next..self.filled, 0);
            (self.base, self.next, self.filled) = (self.base + self.next as u64, 0, pending);
        }
        if self.buffer.len() < self.filled + CHUNK_BYTES {
            // doubled, so that a large task is not copied for each of its chunks
            self.buffer.resize((2 * self.buffer.len()).max(self.filled + CHUNK_BYTES), 0);
        } else if self.buffer.len() > 64 * CHUNK_BYTES && self.filled < CHUNK_BYTES {
            // release the memory of a single huge task
            self.buffer.truncate(2 * CHUNK_BYTES);
            self.buffer.shrink_to_fit();
        }
        loop {
            let end = self.buffer.len().min(self.filled + 4 * CHUNK_BYTES);
            match self.source.read(&mut self.buffer[self.filled..end]) {
                Ok(read) => {
                    self.filled += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.classify(error)),
            }
        }
    }

    fn too_large(&self, what: &'static str, limit: u64) -> ReadError {
        ReadError::TooLarge { what, limit, task_index: self.index }
    }

    fn classify(&self, error: io::Error) -> ReadError {
        let byte_offset = self.base + self.filled as u64;
        if let Some(source) = self.failure.take() {
            ReadError::Io { bytes_read: self.bytes_read.load(Ordering::Relaxed), source }
        } else if self.gzip && error.kind() == io::ErrorKind::UnexpectedEof {
            ReadError::Truncated { what: "gzip stream", byte_offset, task_index: self.index }
        } else {
            ReadError::DamagedGzip { byte_offset, source: error }
        }
    }

    /// Skips a byte order mark, white space and the opening bracket.
    fn expect_array(&mut self) -> Result<(), ReadError> {
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
            Some(b'P') => "what looks like a zip archive",
            Some(_) => "something that is not JSON",
        };
        Err(ReadError::NotAnArray { found })
    }
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

    fn read_all(bytes: impl Read) -> Result<Vec<String>, ReadError> {
        let mut reader = JsonArrayReader::open(bytes, ReadLimits::default(), Arc::default())?;
        let mut all = Vec::new();
        while let Some(element) = reader.next()? {
            all.push(String::from_utf8(element.to_vec()).unwrap());
        }
        Ok(all)
    }

    /// Returns one byte per read.
    struct SingleBytes<'b>(&'b [u8]);

    impl Read for SingleBytes<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn plain_gzip_and_multi_member_gzip_read_the_same() {
        assert_eq!(read_all(&b"\xef\xbb\xbf [1,2]"[..]).unwrap(), ["1", "2"]);
        assert_eq!(read_all(&gzip(b" [1,2]")[..]).unwrap(), ["1", "2"]);
        let members = [gzip(b"[1,"), gzip(b""), gzip(b"2]")].concat();
        assert_eq!(read_all(&members[..]).unwrap(), ["1", "2"]);
    }

    #[test]
    fn elements_are_delimited_by_brackets_and_quotes_for_any_chunking() {
        let file = r#" [ {"a":"}]\"{","b":[{}]} ,[[],"\\"], "x\"]," ,-1.5e3, null,true ] "#;
        let expected = [r#"{"a":"}]\"{","b":[{}]}"#, r#"[[],"\\"]"#, r#""x\"],""#, "-1.5e3", "null", "true"];
        assert_eq!(read_all(file.as_bytes()).unwrap(), expected);
        assert_eq!(read_all(SingleBytes(file.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn a_gzip_stream_truncated_anywhere_is_an_error() {
        let whole = gzip(format!("[{}1]", "1,".repeat(100_000)).as_bytes());
        for length in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            let error = read_all(&whole[..length]).unwrap_err();
            assert_eq!(error.code(), "truncated", "{length}: {error}");
        }
    }

    #[test]
    fn a_damaged_gzip_stream_is_not_reported_as_truncated() {
        let mut whole = gzip(format!("[{}1]", "1,".repeat(1000)).as_bytes());
        let checksum = whole.len() - 6;
        whole[checksum] ^= 1;
        assert_eq!(read_all(&whole[..]).unwrap_err().code(), "damaged_gzip");
    }

    #[test]
    fn content_that_is_not_an_array_is_named() {
        for (bytes, found) in
            [(&b""[..], "nothing"), (b" {}", "an object"), (b"\"a\"", "a string"), (b"PK\x03\x04", "zip"), (b"<html>", "HTML")]
        {
            let error = read_all(bytes).unwrap_err();
            assert!(error.code() == "not_an_array" && error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn a_failing_reader_is_not_a_client_fault() {
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
