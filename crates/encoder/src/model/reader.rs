//! Reads files of a model directory and records their names, because everything that was read identifies the model.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::error::EncoderError;

/// A directory, and the files that were read from it.
#[derive(Debug)]
pub(crate) struct DirectoryReader {
    root: PathBuf,
    /// Paths relative to the directory, with `/`.
    files: BTreeSet<String>,
}

impl DirectoryReader {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: BTreeSet::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The files that were read.
    pub(crate) fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// Records a file that is read by other means.
    pub(crate) fn record(&mut self, name: &str) -> PathBuf {
        self.files.insert(name.to_owned());
        self.path(name)
    }

    /// The text of a file; `None` if it does not exist.
    pub(crate) fn find_text(&mut self, name: &str) -> Result<Option<String>, EncoderError> {
        match fs::read_to_string(self.path(name)) {
            Ok(text) => {
                self.files.insert(name.to_owned());
                Ok(Some(text))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(self.reject(name, "not valid UTF-8")),
            Err(error) => Err(EncoderError::io(self.path(name))(error)),
        }
    }

    /// The JSON value of a file; `None` if it does not exist.
    pub(crate) fn find_json(&mut self, name: &str) -> Result<Option<Value>, EncoderError> {
        let Some(text) = self.find_text(name)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| self.reject(name, format!("not valid JSON: {error}")))
    }

    /// The JSON object of a file; `None` if it does not exist.
    pub(crate) fn find_object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, EncoderError> {
        match self.find_json(name)? {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.reject(name, "not a JSON object")),
        }
    }

    pub(crate) fn reject(&self, name: &str, reason: impl Into<String>) -> EncoderError {
        EncoderError::rejected(self.path(name), reason)
    }
}

/// The path of a file in a folder of the directory; the empty folder is the directory itself.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
