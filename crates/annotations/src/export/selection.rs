//! What is read, and where reading goes on.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::fields::is_valid_name;

/// What to read. It stays the same for all parts of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportSelection {
    /// Events, texts and details up to this position, as `runs::resolve_position` gives it.
    pub position: i64,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Only documents of this project.
    pub project: Option<String>,
    /// Only these fields; empty = all.
    pub fields: Vec<String>,
    /// Whether documents come with their texts.
    pub with_texts: bool,
}

/// The last place that a reader of an export has got: a document, or one field of it. Written `DOCUMENT` or `DOCUMENT/FIELD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportPlace {
    /// The document.
    pub document_id: Uuid,
    /// Its last field that arrived; `None` = the document arrived whole.
    pub field: Option<String>,
}

impl FromStr for ExportPlace {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (document, field) = match text.split_once('/') {
            Some((document, field)) => (document, Some(field)),
            None => (text, None),
        };
        let document_id = document.parse().map_err(|_| "it is neither the id of a document nor DOCUMENT/FIELD")?;
        if field.is_some_and(|field| !is_valid_name(field)) {
            return Err("what follows the document is no name of a field");
        }
        Ok(Self { document_id, field: field.map(str::to_owned) })
    }
}

impl fmt::Display for ExportPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}/{field}", self.document_id),
            None => write!(f, "{}", self.document_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["019aa2c8-0000-7000-8000-000000000000", "019aa2c8-0000-7000-8000-000000000000/governing_law"] {
            assert_eq!(text.parse::<ExportPlace>().unwrap().to_string(), text);
        }
        for bad in ["", "x", "019aa2c8-0000-7000-8000-000000000000/", "019aa2c8-0000-7000-8000-000000000000/the law"] {
            assert!(bad.parse::<ExportPlace>().is_err(), "{bad}");
        }
    }
}
