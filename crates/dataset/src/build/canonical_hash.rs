//! Canonical hash: identifies the content of a snapshot independently of the file format.
//!
//! SHA-256 of the following, without separators:
//!
//! - the string `aprendiz.dataset.rows.2`, then the number of selected fields and their names, sorted;
//! - per example, ordered by the bytes of the document ids: the byte 1, the 16 bytes of the document id, then the strings
//!   split, group, source, project, task id, text, metadata, the file name (byte 0, or byte 1 and string), and per
//!   selected field either the byte 0 (unreviewed) or the byte 1, the number of values, the values, the string status,
//!   the position, the reviewer (encoded like the file name) and the time as microseconds since 1970 UTC;
//! - finally the byte 0.
//!
//! A string is its length in bytes followed by its UTF-8; numbers are 64-bit little-endian. Because lengths come first, different lists
//! of rows never have the same encoding.

use sha2::{Digest, Sha256};

use crate::read::{Example, ReviewedField};
use crate::selection::Selection;

const HEADER: &str = "aprendiz.dataset.rows.2";
/// Precedes an example, a review or an optional string.
const PRESENT: u8 = 1;
/// Marks an absent review or optional string, and the end of the examples.
const ABSENT: u8 = 0;

/// Hashes rows as they are streamed.
pub(crate) struct CanonicalHash {
    encoder: Encoder,
    fields: usize,
}

impl CanonicalHash {
    pub(crate) fn new(selection: &Selection) -> Self {
        let mut encoder = Encoder(Sha256::new());
        encoder.string(HEADER);
        encoder.count(selection.fields.len());
        for field in &selection.fields {
            encoder.string(field);
        }
        Self { encoder, fields: selection.fields.len() }
    }

    pub(crate) fn update(&mut self, example: &Example) {
        let Self { encoder, fields } = self;
        encoder.byte(PRESENT);
        encoder.0.update(example.document_id.as_bytes());
        for part in [example.split.name(), &example.group, &example.source, &example.project, &example.task_id, &example.text] {
            encoder.string(part);
        }
        encoder.string(example.metadata.get());
        encoder.optional_string(example.file_name.as_deref());
        let mut reviewed = example.fields.iter().peekable();
        for index in 0..*fields {
            encoder.reviewed(reviewed.next_if(|field| field.field_index == index));
        }
    }

    /// Lower-case hex.
    pub(crate) fn finish(mut self) -> String {
        self.encoder.byte(ABSENT);
        hex::encode(self.encoder.0.finalize())
    }
}

/// Feeds the encoded parts to the hash.
struct Encoder(Sha256);

impl Encoder {
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

    fn optional_string(&mut self, string: Option<&str>) {
        match string {
            None => self.byte(ABSENT),
            Some(string) => {
                self.byte(PRESENT);
                self.string(string);
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
        self.optional_string(reviewed.reviewer.as_deref());
        self.number(reviewed.occurred_at.timestamp_micros());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::example;
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
    fn the_hash_covers_every_row_and_its_fields() {
        let fields = ["governing_law"];
        let reviewed = [example(1, Split::Train, "a"), example(2, Split::Train, "b")];
        let mut unreviewed = [example(1, Split::Train, "a"), example(2, Split::Train, "b")];
        unreviewed[1].fields.clear();
        assert_ne!(hash(&fields, &reviewed), hash(&fields, &unreviewed));
        assert_ne!(hash(&fields, &reviewed), hash(&fields, &reviewed[..1]));
    }

    #[test]
    fn moving_a_byte_between_adjacent_strings_changes_the_hash() {
        let mut one = example(1, Split::Train, "a");
        let mut other = example(1, Split::Train, "a");
        (one.project, one.task_id) = ("71".into(), "2".into());
        (other.project, other.task_id) = ("7".into(), "12".into());
        assert_ne!(hash(&["x"], &[one]), hash(&["x"], &[other]));
    }

    #[test]
    fn the_hash_covers_file_name_and_metadata() {
        let mut renamed = example(1, Split::Train, "a");
        renamed.file_name = Some("b.pdf".into());
        assert_ne!(hash(&["x"], &[example(1, Split::Train, "a")]), hash(&["x"], &[renamed]));
        let mut described = example(1, Split::Train, "a");
        described.metadata = serde_json::value::RawValue::from_string("{}".into()).unwrap();
        assert_ne!(hash(&["x"], &[example(1, Split::Train, "a")]), hash(&["x"], &[described]));
    }
}
