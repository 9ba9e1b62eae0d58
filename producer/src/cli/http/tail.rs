//! The last bytes of a stream, which show whether a file is complete.

/// Magic number at both ends of a Parquet file.
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";
/// Bytes kept: length of the footer and magic number of Parquet.
const KEPT: usize = 8;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    last: Vec<u8>,
    total: u64,
}

impl Tail {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.total += chunk.len() as u64;
        self.last.extend_from_slice(&chunk[chunk.len().saturating_sub(KEPT)..]);
        self.last.drain(..self.last.len().saturating_sub(KEPT));
    }

    /// Whether a file of tasks is complete: its last line is the closing bracket. No task contains a line break, so nothing else looks
    /// like it.
    pub(crate) fn ends_task_file(&self) -> bool {
        self.last.ends_with(b"\n]\n")
    }

    /// Whether a Parquet file is complete: it ends with the length of its footer and the magic number.
    pub(crate) fn ends_parquet_file(&self) -> bool {
        let Some((footer_bytes, magic)) = self.last.split_first_chunk::<4>() else { return false };
        magic == PARQUET_MAGIC && u64::from(u32::from_le_bytes(*footer_bytes)) + 12 <= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(bytes: &[u8], size: usize) -> Tail {
        let mut tail = Tail::default();
        bytes.chunks(size).for_each(|chunk| tail.push(chunk));
        tail
    }

    #[test]
    fn no_part_of_a_task_file_looks_complete() {
        for file in [&b"[\n{\"a\":[],\"b\":[\"\\n]\\n\"]},\n{\"a\":[]}\n]\n"[..], b"[\n]\n"] {
            for (cut, size) in (0..=file.len()).flat_map(|cut| [1, 3, 100].map(|size| (cut, size))) {
                assert_eq!(tail(&file[..cut], size).ends_task_file(), cut == file.len(), "{cut}");
            }
        }
    }

    #[test]
    fn no_part_of_a_parquet_file_looks_complete() {
        // a text in the file contains the magic number
        let file = [&b"PAR1some text PAR1 and more text"[..], b"footer", &6_u32.to_le_bytes(), b"PAR1"].concat();
        for (cut, size) in (0..=file.len()).flat_map(|cut| [1, 3, 100].map(|size| (cut, size))) {
            assert_eq!(tail(&file[..cut], size).ends_parquet_file(), cut == file.len(), "{cut}");
        }
    }
}
