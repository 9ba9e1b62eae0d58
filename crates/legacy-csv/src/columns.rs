//! Classifies the columns of a file: field columns by suffix, document columns by name, the rest is metadata.

use std::collections::BTreeMap;

use aprendiz_annotation_types::is_valid_field_name;

use crate::error::ReadError;
use crate::status::fold;

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
    pub(crate) fn from_header(header: &[String], known: &[String]) -> Result<Self, ReadError> {
        let bad = |reason: String| ReadError::BadHeader { reason };
        let known: BTreeMap<String, &String> = known.iter().map(|name| (field_name(name), name)).collect();
        let mut columns = Self { count: header.len(), ..Self::default() };
        for (index, name) in header.iter().enumerate() {
            if let Some((prefix, part)) = split_suffix(name) {
                let derived = field_name(prefix);
                let field = known.get(&derived).map_or(derived, |known| (*known).clone());
                if !is_valid_field_name(&field) {
                    return Err(bad(format!(
                        "column `{name}` does not yield a valid field name: it has no letter or digit, or more than 100"
                    )));
                }
                columns
                    .add(&field, prefix, part, index)
                    .map_err(|earlier| bad(format!("columns `{}` and `{name}` are the same", header[earlier])))?;
                continue;
            }
            let slot = match field_name(name).as_str() {
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
            return Err(bad(format!("no column belongs to a field; the columns are {}", names.join(", "))));
        }
        Ok(columns)
    }

    /// Whether any column identifies the document of a row.
    pub(crate) const fn identify_documents(&self) -> bool {
        self.document_id.is_some() || self.task_id.is_some() || self.file_name.is_some() || self.text.is_some()
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

/// Derives a field name from a column prefix: lower case without accents, `_` for everything but letters and digits.
fn field_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in fold(name).chars() {
        if character.is_ascii_alphanumeric() {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with('_') {
            plain.push('_');
        }
    }
    plain.truncate(plain.trim_end_matches('_').len());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str], known: &[&str]) -> Result<Columns, ReadError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Columns::from_header(&owned(names), &owned(known))
    }

    #[test]
    fn column_prefixes_become_field_names_and_known_fields_are_found() {
        assert_eq!(field_name("Data de Início (assinatura)"), "data_de_inicio_assinatura");
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
    fn a_header_without_fields_or_with_duplicate_columns_is_rejected() {
        assert!(columns(&["file", "law"], &[]).unwrap_err().to_string().contains("file, law"));
        assert!(columns(&["Law_gold", "law_gold"], &[]).unwrap_err().to_string().contains("the same"));
        assert!(columns(&["—_gold"], &[]).unwrap_err().to_string().contains("no letter"));
    }
}
