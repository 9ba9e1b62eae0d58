//! Options that every command has, under a heading of their own in the help.

use aprendiz_config::Environment;
use clap::Args;

use crate::cli::connection::{ClientArgs, GLOBAL_OPTIONS};
use crate::cli::error::CliError;
use crate::cli::http::be_verbose;
use crate::cli::terminal::{Color, Output, Wishes, set_up};

/// Options that every command has.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct GlobalArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Output format
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT", help_heading = GLOBAL_OPTIONS)]
    pub(crate) output: Output,
    /// Print IDs or names only, and no messages; like `-o name`
    #[arg(short, long, global = true, help_heading = GLOBAL_OPTIONS)]
    pub(crate) quiet: bool,
    /// Columns of tables to show, comma-separated and in this order
    #[arg(long, global = true, value_delimiter = ',', value_name = "COLUMNS", help_heading = GLOBAL_OPTIONS)]
    pub(crate) columns: Vec<String>,
    /// When to use colours; `auto` follows the terminal and NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = GLOBAL_OPTIONS)]
    pub(crate) color: Color,
    /// Do not show long output in a pager (APRENDIZ_PAGER, else PAGER, else less)
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS)]
    pub(crate) no_pager: bool,
    /// Print the HTTP requests, without secrets, and their IDs in the log of the server
    #[arg(short, long, visible_alias = "debug", global = true, help_heading = GLOBAL_OPTIONS)]
    pub(crate) verbose: bool,
}

impl GlobalArgs {
    /// The output format: `-q` prints names, unless a format for programs is requested.
    pub(crate) const fn format(&self) -> Output {
        if self.quiet && self.output.is_text() { Output::Name } else { self.output }
    }

    /// Applies the options to this process. The error is about options that contradict each other.
    pub(crate) fn apply<F: Fn(&str) -> Option<String>>(&self, env: &Environment<F>) -> Result<(), CliError> {
        let output = self.format();
        if !self.columns.is_empty() && !output.is_text() {
            return Err(CliError::Usage("--columns selects columns of tables: use -o table or -o wide with it".to_owned()));
        }
        if self.verbose {
            be_verbose();
        }
        set_up(Wishes {
            wide: output == Output::Wide,
            color: self.color,
            columns: self.columns.clone(),
            no_pager: self.no_pager,
            quiet: self.quiet || !output.is_text(),
            no_color: env.text("NO_COLOR").is_some() || env.text("TERM").as_deref() == Some("dumb"),
            pager: env.text("APRENDIZ_PAGER").or_else(|| env.text("PAGER")),
        });
        Ok(())
    }
}
