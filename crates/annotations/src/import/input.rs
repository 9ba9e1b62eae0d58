//! Bytes of the file: counted, decompressed when they are gzip, cut off where a bound is exceeded.
//!
//! The JSON parser only sees that reading failed; why is kept here, in `Faults`, for the error of the import.

use std::cell::{Cell, RefCell};
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::import::error::ImportError;
use crate::import::options::ImportLimits;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_BOM: [u8; 3] = [0xef, 0xbb, 0xbf];
const BUFFER_BYTES: usize = 64 * 1024;

/// Where reading is, shared by the input, the parser and whoever reports an error.
#[derive(Default)]
pub(super) struct Place {
    /// Bytes handed out, after decompression.
    pub(super) offset: Cell<u64>,
    /// `offset` where the current task began.
    pub(super) task_start: Cell<u64>,
    /// Number of the current task, from 0.
    pub(super) task_index: Cell<u64>,
    fault: RefCell<Option<ImportError>>,
}

impl Place {
    /// The reason why reading failed, if it did; once.
    pub(super) fn take_fault(&self) -> Option<ImportError> {
        self.fault.borrow_mut().take()
    }

    fn fail(&self, error: ImportError) -> io::Error {
        let text = error.to_string();
        *self.fault.borrow_mut() = Some(error);
        io::Error::other(text)
    }
}

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

/// The text of the file, byte by byte, as the JSON parser asks for it.
pub(super) struct Input<'r> {
    source: Box<dyn Read + 'r>,
    gzip: bool,
    buffer: Box<[u8]>,
    next: usize,
    filled: usize,
    place: Rc<Place>,
    limits: ImportLimits,
    bytes_read: Arc<AtomicU64>,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<'r> Input<'r> {
    /// Looks at the first bytes to tell gzip from plain and to find out whether this can be an array at all.
    pub(super) fn open(
        inner: impl Read + 'r,
        limits: ImportLimits,
        bytes_read: Arc<AtomicU64>,
        place: Rc<Place>,
    ) -> Result<Self, ImportError> {
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
            if gzip { Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, whole))) } else { Box::new(whole) };
        let mut input = Self { source, gzip, buffer: vec![0; BUFFER_BYTES].into(), next: 0, filled: 0, place, limits, bytes_read, failure };
        input.expect_array()?;
        Ok(input)
    }

    /// Skips a byte order mark and white space, and leaves the opening bracket in place.
    fn expect_array(&mut self) -> Result<(), ImportError> {
        loop {
            if self.next == self.filled
                && let Err(source) = self.fill()
            {
                return Err(self.place.take_fault().unwrap_or(ImportError::Read { bytes_read: 0, source }));
            }
            if self.next == self.filled {
                return Err(ImportError::NotAnArray { found: "nothing" });
            }
            let offset = usize::try_from(self.place.offset.get()).unwrap_or(usize::MAX);
            if UTF8_BOM.get(offset) == Some(&self.buffer[self.next]) {
                self.consume(1);
                continue;
            }
            let found = match self.buffer[self.next] {
                b' ' | b'\t' | b'\r' | b'\n' => {
                    self.consume(1);
                    continue;
                }
                b'[' => return Ok(()),
                b'{' => "an object",
                b'"' => "a string",
                b'0'..=b'9' | b'-' => "a number",
                b't' | b'f' | b'n' => "a literal",
                b'<' => "XML or HTML",
                b'P' => "what may be a zip archive",
                _ => "something that is not JSON",
            };
            return Err(ImportError::NotAnArray { found });
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.next += bytes;
        self.place.offset.set(self.place.offset.get() + bytes as u64);
    }

    /// Refills the empty buffer; it stays empty at the end of the file.
    fn fill(&mut self) -> io::Result<()> {
        (self.next, self.filled) = (0, 0);
        loop {
            match self.source.read(&mut self.buffer) {
                Ok(read) => {
                    self.filled = read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.place.fail(self.reason(error))),
            }
        }
    }

    fn reason(&self, error: io::Error) -> ImportError {
        let byte_offset = self.place.offset.get();
        if let Some(source) = self.failure.take() {
            ImportError::Read { bytes_read: self.bytes_read.load(Ordering::Relaxed), source }
        } else if self.gzip && error.kind() == io::ErrorKind::UnexpectedEof {
            ImportError::Truncated { what: "gzip stream", byte_offset, task_index: self.place.task_index.get() }
        } else {
            ImportError::DamagedGzip { byte_offset, source: error }
        }
    }

    fn check_limits(&self) -> io::Result<()> {
        let offset = self.place.offset.get();
        let task_index = self.place.task_index.get();
        let (what, limit) = if offset - self.place.task_start.get() > self.limits.task_bytes {
            ("the task", self.limits.task_bytes)
        } else if offset > self.limits.total_bytes {
            ("the file", self.limits.total_bytes)
        } else {
            return Ok(());
        };
        Err(self.place.fail(ImportError::TooLarge { what, limit, task_index }))
    }
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.next == self.filled {
            self.check_limits()?;
            self.fill()?;
        }
        // the parser asks for one byte at a time: this is its fast path
        if let ([byte], true) = (&mut *out, self.next < self.filled) {
            *byte = self.buffer[self.next];
            self.consume(1);
            return Ok(1);
        }
        let length = out.len().min(self.filled - self.next);
        out[..length].copy_from_slice(&self.buffer[self.next..self.next + length]);
        self.consume(length);
        Ok(length)
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

    fn read_all(bytes: &[u8]) -> Result<String, ImportError> {
        let place = Rc::new(Place::default());
        let mut input = Input::open(bytes, ImportLimits::default(), Arc::default(), Rc::clone(&place))?;
        let mut text = String::new();
        match input.read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(_) => Err(place.take_fault().unwrap()),
        }
    }

    #[test]
    fn plain_and_gzip_and_many_members_read_the_same() {
        assert_eq!(read_all(b"\xef\xbb\xbf [1,2]").unwrap(), "[1,2]");
        assert_eq!(read_all(&gzip(b" [1,2]")).unwrap(), "[1,2]");
        let members = [gzip(b"[1,"), gzip(b""), gzip(b"2]")].concat();
        assert_eq!(read_all(&members).unwrap(), "[1,2]");
    }

    #[test]
    fn a_cut_gzip_stream_is_an_error_wherever_it_is_cut() {
        let whole = gzip(format!("[{}]", "1,".repeat(100_000)).as_bytes());
        for length in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            let error = read_all(&whole[..length]).unwrap_err();
            assert_eq!(error.code(), "truncated", "{length}: {error}");
        }
    }

    #[test]
    fn a_damaged_gzip_stream_is_told_apart_from_a_cut_one() {
        let mut whole = gzip(format!("[{}]", "1,".repeat(1000)).as_bytes());
        let checksum = whole.len() - 6;
        whole[checksum] ^= 1;
        assert_eq!(read_all(&whole).unwrap_err().code(), "damaged_gzip");
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
            let place = Rc::new(Place::default());
            let opened = Input::open(start.chain(Broken), ImportLimits::default(), Arc::default(), Rc::clone(&place));
            let error = match opened {
                Ok(mut input) => {
                    input.read_to_end(&mut Vec::new()).unwrap_err();
                    place.take_fault().unwrap()
                }
                Err(error) => error,
            };
            assert_eq!(error.code(), "read_failed");
            assert!(!error.is_client_fault());
        }
    }
}
