//! Vocabulary of the column `<Field>_status`: English and Portuguese words found in such files.

use aprendiz_annotation_types::{ReviewStatus, is_missing_word};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Words without accents and in lower case, by the status they mean.
const VOCABULARY: [(ParsedStatus, &[&str]); 6] = [
    (
        ParsedStatus::Pending,
        &["pending", "pendente", "todo", "to do", "unreviewed", "nao revisado", "a revisar", "skip", "skipped", "pulado"],
    ),
    (
        ParsedStatus::Known(ReviewStatus::Ok),
        &[
            "ok",
            "okay",
            "correct",
            "certo",
            "correto",
            "correta",
            "right",
            "true",
            "verdadeiro",
            "yes",
            "y",
            "sim",
            "s",
            "approved",
            "aprovado",
            "aprovada",
            "accepted",
            "aceito",
            "aceita",
            "match",
            "✓",
            "✔",
        ],
    ),
    (
        ParsedStatus::Known(ReviewStatus::Corrected),
        &[
            "corrected",
            "correction",
            "corrigido",
            "corrigida",
            "changed",
            "edited",
            "editado",
            "fixed",
            "fix",
            "wrong",
            "errado",
            "errada",
            "incorrect",
            "incorreto",
            "incorreta",
            "alterado",
            "alterada",
        ],
    ),
    (ParsedStatus::Known(ReviewStatus::New), &["new", "novo", "nova", "added", "adicionado", "adicionada", "incluido", "incluida"]),
    (
        ParsedStatus::Known(ReviewStatus::Rejected),
        &["rejected", "reject", "rejeitado", "rejeitada", "removed", "removido", "removida", "deleted", "false positive", "falso positivo"],
    ),
    (
        ParsedStatus::Known(ReviewStatus::Missing),
        &["missing", "ausente", "absent", "not found", "nao encontrado", "nao consta", "faltando", "none", "n/a", "na", "nao se aplica"],
    ),
];

/// A parsed status cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParsedStatus {
    /// Empty, or still to be reviewed.
    Pending,
    /// A review status.
    Known(ReviewStatus),
    /// Not in the vocabulary.
    Unknown,
}

/// Folds a text to lower case without accents, with single spaces between words.
fn fold(text: &str) -> String {
    let plain: String = text.nfkd().filter(|character| !is_combining_mark(*character)).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").to_lowercase().replace('ß', "ss")
}

/// Parses a status cell, ignoring case, accents and surrounding punctuation.
pub(crate) fn parse_status(cell: &str) -> ParsedStatus {
    // data frames and spreadsheets write these words for an empty cell
    if is_missing_word(cell) {
        return ParsedStatus::Pending;
    }
    let folded = fold(cell);
    let word = folded.trim_matches(|character: char| !character.is_alphanumeric() && character != '✓' && character != '✔');
    if word.is_empty() {
        return if matches!(folded.as_str(), "" | "-" | "?") { ParsedStatus::Pending } else { ParsedStatus::Unknown };
    }
    let entry = VOCABULARY.iter().find(|(_, words)| words.contains(&word));
    entry.map_or(ParsedStatus::Unknown, |(status, _)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_becomes_a_status() {
        for (text, status) in [
            (" OK ", ReviewStatus::Ok),
            ("Correct!", ReviewStatus::Ok),
            ("✓", ReviewStatus::Ok),
            ("CORRIGIDO", ReviewStatus::Corrected),
            ("Incorreto.", ReviewStatus::Corrected),
            ("novo", ReviewStatus::New),
            ("Falso  Positivo", ReviewStatus::Rejected),
            ("Não consta", ReviewStatus::Missing),
            ("N/A", ReviewStatus::Missing),
        ] {
            assert_eq!(parse_status(text), ParsedStatus::Known(status), "{text}");
        }
        for pending in ["", "  ", "-", "?", "Pendente", "to do", "None", "nan", "NaT", "<NA>", "#N/A"] {
            assert_eq!(parse_status(pending), ParsedStatus::Pending, "{pending:?}");
        }
        for unknown in ["ask Maria", "42", "!!"] {
            assert_eq!(parse_status(unknown), ParsedStatus::Unknown, "{unknown}");
        }
    }
}
