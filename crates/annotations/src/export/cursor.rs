//! Cursor of an export.

use std::fmt;
use std::str::FromStr;

use aprendiz_annotation_types::is_valid_field_name;
use uuid::Uuid;

/// The last item that a client received: a document, or one field of it. Its text form is `DOCUMENT` or `DOCUMENT/FIELD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportCursor {
    /// The document.
    pub document_id: Uuid,
    /// The last received field of the document; `None` = the document was received completely.
    pub field: Option<String>,
}

impl FromStr for ExportCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (document, field) = match text.split_once('/') {
            Some((document, field)) => (document, Some(field)),
            None => (text, None),
        };
        let document_id = document.parse().map_err(|_| "must be a document id or DOCUMENT/FIELD")?;
        if field.is_some_and(|field| !is_valid_field_name(field)) {
            return Err("the part after the document id is not a valid field name");
        }
        Ok(Self { document_id, field: field.map(str::to_owned) })
    }
}

impl fmt::Display for ExportCursor {
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
    fn cursors_are_parsed_as_they_are_printed() {
        for text in ["019aa2c8-0000-7000-8000-000000000000", "019aa2c8-0000-7000-8000-000000000000/governing_law"] {
            assert_eq!(text.parse::<ExportCursor>().unwrap().to_string(), text);
        }
        for bad in ["", "x", "019aa2c8-0000-7000-8000-000000000000/", "019aa2c8-0000-7000-8000-000000000000/the law"] {
            assert!(bad.parse::<ExportCursor>().is_err(), "{bad}");
        }
    }
}
