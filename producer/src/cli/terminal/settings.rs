//! How this process writes: format, colours, width, columns, pager. Set once from the global options.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use clap::ValueEnum;
use console::Term;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How this process writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Whether states are coloured.
    pub(crate) color: bool,
    /// Width in characters into which tables must fit; `None` = unlimited.
    pub(crate) width: Option<usize>,
    /// Lines above which the pager is used; `None` = never.
    pub(crate) pager_lines: Option<usize>,
    /// The command of the pager.
    pub(crate) pager: String,
    /// Whether times in tables are relative to now, and IDs are shortened: for people at a terminal.
    pub(crate) is_brief: bool,
    /// Columns to show; empty = all.
    pub(crate) columns: Vec<String>,
    /// Whether messages that are no errors are suppressed.
    pub(crate) quiet: bool,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// The settings of this process: plain output, if none were set.
pub(crate) fn settings() -> &'static Settings {
    SETTINGS.get_or_init(Settings::default)
}

/// What the global options and the environment say about the output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Whether tables are complete, whatever the width of the terminal.
    pub(crate) wide: bool,
    pub(crate) color: Color,
    pub(crate) columns: Vec<String>,
    pub(crate) no_pager: bool,
    pub(crate) quiet: bool,
    /// Whether `NO_COLOR` is set.
    pub(crate) no_color: bool,
    /// `APRENDIZ_PAGER`, else `PAGER`.
    pub(crate) pager: Option<String>,
}

/// Sets the settings of this process.
pub(crate) fn set_up(wishes: Wishes) {
    let is_terminal = std::io::stdout().is_terminal();
    let (height, width) = Term::stdout().size();
    let _ = SETTINGS.set(decide(wishes, is_terminal.then_some((usize::from(width), usize::from(height)))));
}

/// The settings for a terminal of this width and height; `None` = standard output is not a terminal.
fn decide(wishes: Wishes, terminal: Option<(usize, usize)>) -> Settings {
    let is_wide = wishes.wide;
    let pager = wishes.pager.unwrap_or_else(|| "less -FRX".to_owned());
    Settings {
        color: match wishes.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal.is_some() && !wishes.no_color,
        },
        width: terminal.map(|(width, _)| width).filter(|_| !is_wide),
        pager_lines: terminal.map(|(_, height)| height).filter(|_| !wishes.no_pager && !pager.is_empty() && pager != "cat"),
        pager,
        is_brief: terminal.is_some() && !is_wide,
        columns: wishes.columns,
        quiet: wishes.quiet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Option<(usize, usize)> = Some((80, 24));

    #[test]
    fn a_pipe_gets_plain_complete_tables() {
        let settings = decide(Wishes::default(), None);
        assert!(!settings.color && settings.width.is_none() && settings.pager_lines.is_none() && !settings.is_brief);
    }

    #[test]
    fn a_terminal_gets_colours_its_width_and_a_pager() {
        let settings = decide(Wishes::default(), TERMINAL);
        assert_eq!((settings.color, settings.width, settings.pager_lines, settings.is_brief), (true, Some(80), Some(24), true));
        let wide = decide(Wishes { wide: true, ..Wishes::default() }, TERMINAL);
        assert_eq!((wide.width, wide.is_brief), (None, false));
    }

    #[test]
    fn colours_and_pager_are_optional() {
        let color = |color, no_color, terminal| decide(Wishes { color, no_color, ..Wishes::default() }, terminal).color;
        assert!(!color(Color::Auto, true, TERMINAL) && !color(Color::Never, false, TERMINAL));
        assert!(color(Color::Always, true, None), "a flag is stronger than a variable");
        let pager = |no_pager, pager: Option<&str>| {
            decide(Wishes { no_pager, pager: pager.map(str::to_owned), ..Wishes::default() }, TERMINAL).pager_lines
        };
        assert_eq!((pager(true, None), pager(false, Some("cat")), pager(false, Some("most"))), (None, None, Some(24)));
    }
}
