//! JSONL files: one JSON object per line, one line per example.
//!
//! The schema does not depend on the row, because readers infer it from the first rows: every line has every field of the selection, null if
//! unreviewed, and metadata is a string, as in Parquet.

use std::io::Write;
use std::path::{Path, PathBuf};

use aprendiz_annotation_types::escape_line_breaks;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::build::files::entry::FileEntry;
use crate::build::files::hashed_file::HashedFile;
use crate::error::DatasetError;
use crate::read::{Example, ReviewedField};
use crate::split::Split;

/// Writes `jsonl/<split>.jsonl`.
pub(crate) struct JsonlWriter {
    file: HashedFile,
    path: PathBuf,
    /// Reused buffer: each line is hashed and written in one piece.
    line: Vec<u8>,
}

impl JsonlWriter {
    pub(crate) fn create(dir: &Path, split: Split) -> Result<Self, DatasetError> {
        let file = HashedFile::create(dir, &format!("jsonl/{split}.jsonl"))?;
        let path = file.path().to_owned();
        Ok(Self { file, path, line: Vec::new() })
    }

    /// `names` are the field names of the selection.
    pub(crate) fn write(&mut self, example: &Example, names: &[String]) -> Result<(), DatasetError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Line { example, names }).map_err(|error| DatasetError::io(&self.path)(error.into()))?;
        escape_line_breaks(&mut self.line, 0);
        self.line.push(b'\n');
        self.file.write_all(&self.line).map_err(DatasetError::io(&self.path))
    }

    pub(crate) fn finish(self) -> Result<FileEntry, DatasetError> {
        self.file.finish()
    }
}

/// An example as one JSON object; the key order is part of the format.
struct Line<'a> {
    example: &'a Example,
    /// Field names of the selection.
    names: &'a [String],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Example { document_id, split, group, source, project, task_id, file_name, metadata, text, fields } = self.example;
        let mut line = serializer.serialize_struct("Example", 10)?;
        line.serialize_field("document_id", document_id)?;
        line.serialize_field("split", split)?;
        line.serialize_field("group", group)?;
        line.serialize_field("source", source)?;
        line.serialize_field("project", project)?;
        line.serialize_field("task_id", task_id)?;
        line.serialize_field("file_name", file_name)?;
        line.serialize_field("metadata", metadata.get())?;
        line.serialize_field("text", text)?;
        line.serialize_field("fields", &FieldsByName { fields, names: self.names })?;
        line.end()
    }
}

struct FieldsByName<'a> {
    fields: &'a [ReviewedField],
    names: &'a [String],
}

impl Serialize for FieldsByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reviewed = self.fields.iter().peekable();
        serializer
            .collect_map(self.names.iter().enumerate().map(|(index, name)| (name, reviewed.next_if(|field| field.field_index == index))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::example;

    #[test]
    fn a_line_has_a_fixed_schema_and_keeps_metadata_verbatim() {
        let example = example(1, Split::Train, "a \"b\"\n");
        let line = serde_json::to_string(&Line { example: &example, names: &["governing_law".into(), "never".into()] }).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"document_id":"00000000-0000-0000-0000-000000000001","split":"train","group":"ab","source":"label-studio","#,
                r#""project":"7","task_id":"1","file_name":null,"metadata":"{\"pages\": 12345678901234567890}","text":"a \"b\"\n","#,
                r#""fields":{"governing_law":{"value":[],"status":"REJECTED","position":12,"reviewer":"3","#,
                r#""occurred_at":"2023-11-14T22:13:20.000001Z"},"never":null}}"#
            )
        );
    }
}
