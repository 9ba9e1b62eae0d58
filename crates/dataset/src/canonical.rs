//! The canonical hash: the identity of a snapshot's content, whatever writes its files.
//!
//! SHA-256 over, in order, without separators:
//!
//! - the string `aprendiz.dataset.rows.2`, then the number of selected fields and their names, sorted;
//! - per example, in the order of the bytes of the ids: the byte 1, the 16 bytes of the document id, then the strings
//!   split, group, source, project, task id, text, metadata, the file name (byte 0, or byte 1 and string), and per
//!   selected field either the byte 0 (unreviewed) or the byte 1, the number of values, the values, the string status,
//!   the position, the reviewer (as the file name) and the time as microseconds since 1970 UTC;
//! - at the end the byte 0.
//!
//! A string is its length in bytes and its UTF-8; numbers are 64 bits, little-endian. Lengths come first, so no two
//! different lists of rows have the same bytes.

use sha2::{Digest, Sha256};

use crate::example::{Example, ReviewedField};
use crate::selection::Selection;

const HEADER: &str = "aprendiz.dataset.rows.2";
/// An example, a review or a name follows.
const PRESENT: u8 = 1;
/// There is none; at the level of examples: the end.
const ABSENT: u8 = 0;

/// Hashes rows as they pass.
pub(crate) struct CanonicalHash {
    bytes: Bytes,
    fields: usize,
}

impl CanonicalHash {
    pub(crate) fn new(selection: &Selection) -> Self {
        let mut bytes = Bytes(Sha256::new());
        bytes.string(HEADER);
        bytes.count(selection.fields.len());
        for field in &selection.fields {
            bytes.string(field);
        }
        Self { bytes, fields: selection.fields.len() }
    }

    pub(crate) fn update(&mut self, example: &Example) {
        let Self { bytes, fields } = self;
        bytes.byte(PRESENT);
        bytes.0.update(example.document_id.as_bytes());
        for part in [example.split.name(), &example.group, &example.source, &example.project, &example.task_id, &example.text] {
            bytes.string(part);
        }
        bytes.string(example.metadata.get());
        bytes.name(example.file_name.as_deref());
        let mut reviewed = example.fields.iter().peekable();
        for place in 0..*fields {
            bytes.reviewed(reviewed.next_if(|field| field.place == place));
        }
    }

    /// Lower-case hex.
    pub(crate) fn finish(mut self) -> String {
        self.bytes.byte(ABSENT);
        hex::encode(self.bytes.0.finalize())
    }
}

/// The parts of the serialisation.
struct Bytes(Sha256);

impl Bytes {
    fn byte(&mut self, byte: u8) {
        self.0.update([byte]);
    }

    fn number(&mut self, number: i64) {
        self.0.update(number.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.number(i64::try_from(count).expect("a length in memory fits 63 bits"));
    }

    fn string(&mut self, string: &str) {
        self.count(string.len());
        self.0.update(string);
    }

    fn name(&mut self, name: Option<&str>) {
        match name {
            None => self.byte(ABSENT),
            Some(name) => {
                self.byte(PRESENT);
                self.string(name);
            }
        }
    }

    fn reviewed(&mut self, reviewed: Option<&ReviewedField>) {
        let Some(reviewed) = reviewed else {
            return self.byte(ABSENT);
        };
        self.byte(PRESENT);
        self.count(reviewed.value.len());
        for value in &reviewed.value {
            self.string(value);
        }
        self.string(reviewed.status.as_str());
        self.number(reviewed.position);
        self.name(reviewed.reviewer.as_deref());
        self.number(reviewed.occurred_at.timestamp_micros());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::tests::example;
    use crate::split::Split;

    fn hash(fields: &[&str], examples: &[Example]) -> String {
        let selection = Selection {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            untrainable: vec![],
            documents: None,
            source: None,
            project: None,
            min_support: 2,
            pairs: None,
            position: 0,
        };
        let mut hash = CanonicalHash::new(&selection);
        for example in examples {
            hash.update(example);
        }
        hash.finish()
    }

    #[test]
    fn every_row_counts_with_its_fields() {
        let fields = ["governing_law"];
        let reviewed = [example(1, Split::Train, "a"), example(2, Split::Train, "b")];
        let mut unreviewed = [example(1, Split::Train, "a"), example(2, Split::Train, "b")];
        unreviewed[1].fields.clear();
        assert_ne!(hash(&fields, &reviewed), hash(&fields, &unreviewed));
        assert_ne!(hash(&fields, &reviewed), hash(&fields, &reviewed[..1]));
    }

    #[test]
    fn a_byte_cannot_move_between_neighbours() {
        let mut one = example(1, Split::Train, "a");
        let mut other = example(1, Split::Train, "a");
        (one.project, one.task_id) = ("71".into(), "2".into());
        (other.project, other.task_id) = ("7".into(), "12".into());
        assert_ne!(hash(&["x"], &[one]), hash(&["x"], &[other]));
    }

    #[test]
    fn file_name_and_metadata_count() {
        let mut renamed = example(1, Split::Train, "a");
        renamed.file_name = Some("b.pdf".into());
        assert_ne!(hash(&["x"], &[example(1, Split::Train, "a")]), hash(&["x"], &[renamed]));
        let mut described = example(1, Split::Train, "a");
        described.metadata = serde_json::value::RawValue::from_string("{}".into()).unwrap();
        assert_ne!(hash(&["x"], &[example(1, Split::Train, "a")]), hash(&["x"], &[described]));
    }
}
