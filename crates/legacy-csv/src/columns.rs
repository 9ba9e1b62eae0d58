//! Classifies the columns of a file: field columns by suffix, document columns by name, the rest is metadata.

use aprendiz_annotation_types::{FieldNames, UNUSABLE_NAME, derive_field_name};

use crate::error::ReadError;

/// The columns of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldColumns {
    /// Name of the field.
    pub(crate) field: String,
    /// Prefix of its columns in the file.
    pub(crate) prefix: String,
    pub(crate) predicted: Option<usize>,
    pub(crate) gold: Option<usize>,
    pub(crate) status: Option<usize>,
}

/// Column indexes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) count: usize,
    pub(crate) fields: Vec<FieldColumns>,
    pub(crate) document_id: Option<usize>,
    pub(crate) task_id: Option<usize>,
    pub(crate) file_name: Option<usize>,
    pub(crate) project: Option<usize>,
    pub(crate) text: Option<usize>,
    pub(crate) reviewer: Option<usize>,
    pub(crate) reviewed_at: Option<usize>,
    /// Names of field columns that cannot name a field; they are left out.
    pub(crate) unusable: Vec<String>,
    /// Other columns with their names.
    pub(crate) others: Vec<(usize, String)>,
}

#[derive(Clone, Copy)]
enum Part {
    Predicted,
    Gold,
    Status,
}

impl Columns {
    /// Classifies the columns of a header. A prefix that is a spelling of a known field is that field.
    pub(crate) fn from_header(header: &[String], known: &FieldNames) -> Result<Self, ReadError> {
        let bad = |reason: String| ReadError::BadHeader { reason };
        let mut columns = Self { count: header.len(), ..Self::default() };
        for (index, name) in header.iter().enumerate() {
            if let Some((prefix, part)) = split_suffix(name) {
                let Some(field) = known.find(prefix) else {
                    columns.unusable.push(name.clone());
                    continue;
                };
                columns
                    .add(&field, prefix, part, index)
                    .map_err(|earlier| bad(format!("columns `{}` and `{name}` are the same", header[earlier])))?;
                continue;
            }
            let slot = match derive_field_name(name).unwrap_or_default().as_str() {
                "document_id" | "documento_id" => &mut columns.document_id,
                "id" | "task_id" | "task" | "doc_id" | "inner_id" => &mut columns.task_id,
                "file" | "file_name" | "filename" | "source_file" | "arquivo" | "nome_do_arquivo" | "document" | "documento" | "pdf"
                | "path" => &mut columns.file_name,
                "project" | "project_id" | "projeto" => &mut columns.project,
                "text" | "texto" | "content" | "conteudo" => &mut columns.text,
                "reviewer" | "revisor" | "annotator" | "anotador" | "completed_by" => &mut columns.reviewer,
                "reviewed_at" | "updated_at" | "annotated_at" | "timestamp" | "revisado_em" => &mut columns.reviewed_at,
                _ => {
                    columns.others.push((index, name.clone()));
                    continue;
                }
            };
            match slot {
                None => *slot = Some(index),
                // `id` besides `task_id`: the first one identifies the document
                Some(_) => columns.others.push((index, name.clone())),
            }
        }
        if columns.fields.is_empty() {
            let names: Vec<&str> = header.iter().take(20).map(String::as_str).collect();
            let reason = format!("no column belongs to a field; the columns are {}", names.join(", "));
            return Err(bad(if columns.unusable.is_empty() {
                reason
            } else {
                format!("{reason}; `{}` cannot name a field: {UNUSABLE_NAME}", columns.unusable.join("`, `"))
            }));
        }
        Ok(columns)
    }

    /// Whether any column identifies the document of a row.
    pub(crate) const fn identify_documents(&self) -> bool {
        self.document_id.is_some() || self.task_id.is_some() || self.file_name.is_some() || self.text.is_some()
    }

    /// Other columns that look like those of a field: `Law gold`, `law.pred`.
    pub(crate) fn lookalikes(&self) -> Vec<String> {
        let looks_alike = |name: &str| {
            let name = name.to_lowercase();
            ["gold", "pred"].iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with([' ', '-', '.', ':', '/'])))
        };
        self.others.iter().map(|(_, name)| name).filter(|name| looks_alike(name)).cloned().collect()
    }

    fn add(&mut self, field: &str, prefix: &str, part: Part, index: usize) -> Result<(), usize> {
        let position = match self.fields.iter().position(|columns| columns.field == field) {
            Some(position) => position,
            None => {
                self.fields.push(FieldColumns { field: field.to_owned(), prefix: prefix.to_owned(), ..FieldColumns::default() });
                self.fields.len() - 1
            }
        };
        let columns = &mut self.fields[position];
        let slot = match part {
            Part::Predicted => &mut columns.predicted,
            Part::Gold => &mut columns.gold,
            Part::Status => &mut columns.status,
        };
        match slot {
            Some(earlier) => Err(*earlier),
            None => {
                *slot = Some(index);
                Ok(())
            }
        }
    }
}

/// Splits `Governing Law_gold` into the prefix and the part named by the suffix.
fn split_suffix(name: &str) -> Option<(&str, Part)> {
    for (suffix, part) in [("_pred", Part::Predicted), ("_gold", Part::Gold), ("_status", Part::Status)] {
        let cut = name.len().checked_sub(suffix.len())?;
        if cut > 0 && name.is_char_boundary(cut) && name[cut..].eq_ignore_ascii_case(suffix) {
            return Some((name[..cut].trim(), part));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str], known: &[&str]) -> Result<Columns, ReadError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Columns::from_header(&owned(names), &FieldNames::new(known.iter().copied()))
    }

    #[test]
    fn column_prefixes_become_field_names_and_known_fields_are_found() {
        let found = columns(
            &["Arquivo", "Governing Law_pred", "Governing Law_GOLD", "Número_gold", "Parties_status", "page count"],
            &["governing-law"],
        )
        .unwrap();
        let names: Vec<&str> = found.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["governing-law", "numero", "parties"]);
        assert_eq!((found.fields[0].predicted, found.fields[0].gold, found.fields[0].status), (Some(1), Some(2), None));
        assert_eq!((found.file_name, found.others.len()), (Some(0), 1));
    }

    #[test]
    fn columns_that_look_like_those_of_a_field_are_named() {
        let found = columns(&["task_id", "Law_gold", "Law pred", "party.gold", "goldsmith", "order status"], &[]).unwrap();
        assert_eq!(found.lookalikes(), ["Law pred", "party.gold"]);
    }

    #[test]
    fn a_header_without_fields_or_with_duplicate_columns_is_rejected() {
        assert!(columns(&["file", "law"], &[]).unwrap_err().to_string().contains("file, law"));
        assert!(columns(&["Law_gold", "law_gold"], &[]).unwrap_err().to_string().contains("the same"));
        assert!(columns(&["—_gold"], &[]).unwrap_err().to_string().contains("`—_gold` cannot name a field"));
    }

    #[test]
    fn a_column_that_cannot_name_a_field_costs_only_itself() {
        let found = columns(&["task_id", "Governing Law_gold", "Data de início_gold", "适用法律_gold", "适用法律_status"], &[]).unwrap();
        let names: Vec<&str> = found.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(names, ["governing_law", "data_de_inicio"]);
        assert_eq!(found.unusable, ["适用法律_gold", "适用法律_status"]);
        assert!(found.others.is_empty());
    }
}
