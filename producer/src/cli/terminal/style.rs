//! Colours of states. A table marks a state with characters of the private use area; the marks become colours, or disappear, when the text
//! is written. A stored text cannot contain an escape sequence this way: the worst that its own marks can do is a colour until the next line.

/// A state that a colour shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Active,
    Waiting,
    Dim,
}

/// Ends a colour.
const END: char = '\u{F8E0}';

impl Tone {
    const ALL: [Self; 5] = [Self::Good, Self::Bad, Self::Active, Self::Waiting, Self::Dim];

    const fn mark(self) -> char {
        match self {
            Self::Good => '\u{F8E1}',
            Self::Bad => '\u{F8E2}',
            Self::Active => '\u{F8E3}',
            Self::Waiting => '\u{F8E4}',
            Self::Dim => '\u{F8E5}',
        }
    }

    const fn sequence(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Active => "\x1b[36m",
            Self::Waiting => "\x1b[33m",
            Self::Dim => "\x1b[2m",
        }
    }

    /// The tone of a state by its first word; `None` = no state that is known.
    pub(super) fn of_state(cell: &str) -> Option<Self> {
        let word = cell.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().unwrap_or_default();
        Some(match word {
            "succeeded" | "ok" | "OK" | "idle" | "active" | "same" | "auto" | "accept" => Self::Good,
            "failed" | "FAILED" | "lost" | "silent" | "different" | "error" | "OVERDUE" => Self::Bad,
            "running" | "busy" | "importing" => Self::Active,
            "queued" | "retrying" | "cancelling" | "draining" | "warning" | "degraded" | "review" => Self::Waiting,
            "cancelled" | "stopped" | "revoked" | "released" | "archived" => Self::Dim,
            _ => return None,
        })
    }

    /// A text with the marks of this tone.
    pub(super) fn mark_text(self, text: &str) -> String {
        format!("{}{text}{END}", self.mark())
    }
}

/// Replaces the marks by escape sequences, or removes them. Call it after all control characters were escaped.
pub(super) fn apply_marks(text: &str, color: bool) -> String {
    let mut written = String::with_capacity(text.len());
    let mut is_open = false;
    let reset = |written: &mut String, is_open: &mut bool| {
        if std::mem::take(is_open) {
            written.push_str("\x1b[0m");
        }
    };
    for character in text.chars() {
        if character == END {
            reset(&mut written, &mut is_open);
        } else if let Some(tone) = Tone::ALL.into_iter().find(|tone| tone.mark() == character) {
            if color {
                written.push_str(tone.sequence());
                is_open = true;
            }
        } else {
            if character == '\n' {
                reset(&mut written, &mut is_open);
            }
            written.push(character);
        }
    }
    reset(&mut written, &mut is_open);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_coloured_by_their_first_word() {
        for (cell, tone) in [
            ("succeeded", Some(Tone::Good)),
            ("failed (object_store)", Some(Tone::Bad)),
            ("revoked 2026-11-30T12:02:37Z", Some(Tone::Dim)),
            ("contracts", None),
            ("", None),
        ] {
            assert_eq!(Tone::of_state(cell), tone, "{cell}");
        }
    }

    #[test]
    fn marks_become_colours_that_end_with_their_line() {
        let marked = format!("{}  x\n\u{F8E2}open\nnext", Tone::Good.mark_text("ok"));
        assert_eq!(apply_marks(&marked, true), "\x1b[32mok\x1b[0m  x\n\x1b[31mopen\x1b[0m\nnext");
        assert_eq!(apply_marks(&marked, false), "ok  x\nopen\nnext");
    }
}
