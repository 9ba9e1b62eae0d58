//! Rows in the binary format of `COPY`, the fastest way to load rows into Postgres.

use chrono::{DateTime, Utc};
use uuid::Uuid;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// OIDs of the element types of arrays.
const TEXT_OID: u32 = 25;
const BIGINT_OID: u32 = 20;
/// Seconds from the Unix epoch to 2000-01-01, the epoch of Postgres.
const POSTGRES_EPOCH_SECONDS: i64 = 946_684_800;

/// Rows of one table.
#[derive(Debug)]
pub(super) struct CopyRows {
    bytes: Vec<u8>,
    count: usize,
}

impl Default for CopyRows {
    fn default() -> Self {
        Self { bytes: HEADER.to_vec(), count: 0 }
    }
}

impl CopyRows {
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Bytes written so far.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Begins a row; exactly `columns` values must follow.
    pub(super) fn begin(&mut self, columns: i16) -> &mut Self {
        self.count += 1;
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        self
    }

    /// Returns the bytes with the end marker.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [self.bytes.as_slice(), &(-1_i16).to_be_bytes()].concat()
    }

    fn value(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn length(&mut self, length: usize) {
        let length = i32::try_from(length).expect("a value of a task is far smaller than 2 GiB");
        self.bytes.extend_from_slice(&length.to_be_bytes());
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.value(&[u8::from(value)])
    }

    pub(super) fn smallint(&mut self, value: i16) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    pub(super) fn bigint(&mut self, value: i64) -> &mut Self {
        self.value(&value.to_be_bytes())
    }

    pub(super) fn double(&mut self, value: Option<f64>) -> &mut Self {
        match value {
            Some(value) => self.value(&value.to_be_bytes()),
            None => self.null(),
        }
    }

    pub(super) fn uuid(&mut self, value: Uuid) -> &mut Self {
        self.value(value.as_bytes())
    }

    /// A text, or the name of an enum value.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.value(value.as_bytes())
    }

    pub(super) fn optional_text(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// JSON, as its text.
    pub(super) fn jsonb(&mut self, value: Option<&str>) -> &mut Self {
        let Some(value) = value else {
            return self.null();
        };
        self.length(value.len() + 1);
        // version of the format
        self.bytes.push(1);
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    pub(super) fn timestamptz(&mut self, value: DateTime<Utc>) -> &mut Self {
        self.bigint(value.timestamp_micros() - POSTGRES_EPOCH_SECONDS * 1_000_000)
    }

    pub(super) fn texts(&mut self, values: &[String]) -> &mut Self {
        self.array(TEXT_OID, values.len(), values.iter().map(|value| value.as_bytes()))
    }

    pub(super) fn bigints(&mut self, values: &[i64]) -> &mut Self {
        self.array(BIGINT_OID, values.len(), values.iter().map(|value| value.to_be_bytes()))
    }

    fn array<T: AsRef<[u8]>>(&mut self, element: u32, count: usize, values: impl Iterator<Item = T>) -> &mut Self {
        let start = self.bytes.len();
        self.length(0);
        // dimensions, no NULL elements, element type
        let dimensions = u32::from(count > 0);
        for word in [dimensions, 0, element] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        if count > 0 {
            self.length(count);
            // lower bound of the index
            self.length(1);
        }
        for value in values {
            self.value(value.as_ref());
        }
        let length = i32::try_from(self.bytes.len() - start - 4).expect("the values of a task are far smaller than 2 GiB");
        self.bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_documented_format() {
        let mut rows = CopyRows::default();
        rows.begin(3).bigint(7).null().texts(&["ab".to_owned()]);
        let mut expected = HEADER.to_vec();
        expected.extend_from_slice(&[0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255]);
        expected.extend_from_slice(&[0, 0, 0, 26, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, b'a', b'b']);
        expected.extend_from_slice(&[255, 255]);
        assert_eq!(rows.to_bytes(), expected);
        assert_eq!(rows.count(), 1);
    }

    #[test]
    fn times_are_relative_to_2000_and_empty_arrays_have_no_dimension() {
        let mut rows = CopyRows::default();
        let before = rows.len();
        rows.timestamptz("2000-01-01T00:00:01Z".parse().unwrap()).texts(&[]);
        assert_eq!(
            rows.bytes[before..],
            [[0, 0, 0, 8].as_slice(), &1_000_000_i64.to_be_bytes(), &[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25]].concat()
        );
    }
}
