//! What the columns of a file are: those of fields by their ends, those that name a document by their names, the rest is metadata.

use std::collections::BTreeMap;

use crate::fields::is_valid_name;
use crate::import::legacy_csv::error::LegacyCsvError;
use crate::import::legacy_csv::status::folded;

/// The columns of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldColumns {
    /// Name of the field.
    pub(super) field: String,
    /// As the file calls it.
    pub(super) shown: String,
    pub(super) predicted: Option<usize>,
    pub(super) gold: Option<usize>,
    pub(super) status: Option<usize>,
}

/// Places of columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) count: usize,
    pub(super) fields: Vec<FieldColumns>,
    pub(super) document_id: Option<usize>,
    pub(super) task_id: Option<usize>,
    pub(super) file_name: Option<usize>,
    pub(super) project: Option<usize>,
    pub(super) text: Option<usize>,
    pub(super) reviewer: Option<usize>,
    pub(super) reviewed_at: Option<usize>,
    /// The rest, with their names.
    pub(super) others: Vec<(usize, String)>,
}

#[derive(Clone, Copy)]
enum Part {
    Predicted,
    Gold,
    Status,
}

impl Columns {
    /// Reads the first row. A field that is known under another spelling keeps its name.
    pub(super) fn of(header: &[String], known: &[String]) -> Result<Self, LegacyCsvError> {
        let bad = |reason: String| LegacyCsvError::BadHeader { reason };
        let known: BTreeMap<String, &String> = known.iter().map(|name| (plain(name), name)).collect();
        let mut columns = Self { count: header.len(), ..Self::default() };
        for (place, name) in header.iter().enumerate() {
            if let Some((shown, part)) = split(name) {
                let own = plain(shown);
                let field = known.get(&own).map_or(own, |known| (*known).clone());
                if !is_valid_name(&field) {
                    return Err(bad(format!("column `{name}` has no letter or digit to name a field by, or more than 100")));
                }
                columns
                    .add(&field, shown, part, place)
                    .map_err(|earlier| bad(format!("columns `{}` and `{name}` are the same", header[earlier])))?;
                continue;
            }
            let slot = match plain(name).as_str() {
                "document_id" | "documento_id" => &mut columns.document_id,
                "id" | "task_id" | "task" | "doc_id" | "inner_id" => &mut columns.task_id,
                "file" | "file_name" | "filename" | "source_file" | "arquivo" | "nome_do_arquivo" | "document" | "documento" | "pdf"
                | "path" => &mut columns.file_name,
                "project" | "project_id" | "projeto" => &mut columns.project,
                "text" | "texto" | "content" | "conteudo" => &mut columns.text,
                "reviewer" | "revisor" | "annotator" | "anotador" | "completed_by" => &mut columns.reviewer,
                "reviewed_at" | "updated_at" | "annotated_at" | "timestamp" | "revisado_em" => &mut columns.reviewed_at,
                _ => {
                    columns.others.push((place, name.clone()));
                    continue;
                }
            };
            match slot {
                None => *slot = Some(place),
                // `id` beside `task_id`: the first one names the document
                Some(_) => columns.others.push((place, name.clone())),
            }
        }
        if columns.fields.is_empty() {
            let shown: Vec<&str> = header.iter().take(20).map(String::as_str).collect();
            return Err(bad(format!("no column belongs to a field: there are {}", shown.join(", "))));
        }
        Ok(columns)
    }

    /// Whether a row can say which document it is about.
    pub(super) const fn name_documents(&self) -> bool {
        self.document_id.is_some() || self.task_id.is_some() || self.file_name.is_some() || self.text.is_some()
    }

    fn add(&mut self, field: &str, shown: &str, part: Part, place: usize) -> Result<(), usize> {
        let at = match self.fields.iter().position(|columns| columns.field == field) {
            Some(at) => at,
            None => {
                self.fields.push(FieldColumns { field: field.to_owned(), shown: shown.to_owned(), ..FieldColumns::default() });
                self.fields.len() - 1
            }
        };
        let columns = &mut self.fields[at];
        let slot = match part {
            Part::Predicted => &mut columns.predicted,
            Part::Gold => &mut columns.gold,
            Part::Status => &mut columns.status,
        };
        match slot {
            Some(earlier) => Err(*earlier),
            None => {
                *slot = Some(place);
                Ok(())
            }
        }
    }
}

/// `Governing Law_gold`: what comes before the end, and which it is.
fn split(name: &str) -> Option<(&str, Part)> {
    for (end, part) in [("_pred", Part::Predicted), ("_gold", Part::Gold), ("_status", Part::Status)] {
        let cut = name.len().checked_sub(end.len())?;
        if cut > 0 && name.is_char_boundary(cut) && name[cut..].eq_ignore_ascii_case(end) {
            return Some((name[..cut].trim(), part));
        }
    }
    None
}

/// A pretty name as the name of a field: lower case without accents, `_` for all that is no letter or digit.
pub(super) fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in folded(name).chars() {
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

    fn columns(names: &[&str], known: &[&str]) -> Result<Columns, LegacyCsvError> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        Columns::of(&owned(names), &owned(known))
    }

    #[test]
    fn pretty_names_become_names_of_fields_and_known_ones_are_found() {
        assert_eq!(plain("Data de Início (assinatura)"), "data_de_inicio_assinatura");
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
    fn a_header_without_fields_or_with_two_of_one_is_refused() {
        assert!(columns(&["file", "law"], &[]).unwrap_err().to_string().contains("file, law"));
        assert!(columns(&["Law_gold", "law_gold"], &[]).unwrap_err().to_string().contains("the same"));
        assert!(columns(&["—_gold"], &[]).unwrap_err().to_string().contains("no letter"));
    }
}
