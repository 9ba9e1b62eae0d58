//! What people wrote into the column `<Field>_status`.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::review_status::ReviewStatus;

/// What a cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, or that somebody has yet to look.
    Silent,
    /// A review status.
    Said(ReviewStatus),
    /// Something that nobody taught us.
    Unknown,
}

/// Lower case without accents, single blanks between its words.
pub(super) fn folded(text: &str) -> String {
    let plain: String = text.nfkd().filter(|character| !is_combining_mark(*character)).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").to_lowercase().replace('ß', "ss")
}

/// English and Portuguese words, as they were found in such files.
pub(super) fn verdict_of(cell: &str) -> Verdict {
    let word = folded(cell);
    let said = match word.trim_matches(|character: char| !character.is_alphanumeric() && character != '✓' && character != '✔') {
        "" | "pending" | "pendente" | "todo" | "to do" | "unreviewed" | "nao revisado" | "a revisar" | "skip" | "skipped" | "pulado" => {
            return if word.is_empty() || word.chars().any(char::is_alphanumeric) || word == "-" || word == "?" {
                Verdict::Silent
            } else {
                Verdict::Unknown
            };
        }
        "ok" | "okay" | "correct" | "certo" | "correto" | "correta" | "right" | "true" | "yes" | "y" | "sim" | "s" | "approved"
        | "aprovado" | "aprovada" | "accepted" | "aceito" | "aceita" | "match" | "✓" | "✔" => ReviewStatus::Ok,
        "corrected" | "correction" | "corrigido" | "corrigida" | "changed" | "edited" | "editado" | "fixed" | "fix" | "wrong"
        | "errado" | "errada" | "incorrect" | "incorreto" | "incorreta" | "alterado" | "alterada" => ReviewStatus::Corrected,
        "new" | "novo" | "nova" | "added" | "adicionado" | "adicionada" | "incluido" | "incluida" => ReviewStatus::New,
        "rejected" | "reject" | "rejeitado" | "rejeitada" | "removed" | "removido" | "removida" | "deleted" | "false positive"
        | "falso positivo" => ReviewStatus::Rejected,
        "missing" | "ausente" | "absent" | "not found" | "nao encontrado" | "nao consta" | "faltando" | "none" | "n/a" | "na"
        | "nao se aplica" => ReviewStatus::Missing,
        _ => return Verdict::Unknown,
    };
    Verdict::Said(said)
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
            assert_eq!(verdict_of(text), Verdict::Said(status), "{text}");
        }
        for silent in ["", "  ", "-", "?", "Pendente", "to do"] {
            assert_eq!(verdict_of(silent), Verdict::Silent, "{silent:?}");
        }
        for unknown in ["ask Maria", "42", "!!"] {
            assert_eq!(verdict_of(unknown), Verdict::Unknown, "{unknown}");
        }
    }
}
