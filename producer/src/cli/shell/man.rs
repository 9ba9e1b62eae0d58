//! `aprendiz man`: manual pages of all commands.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::terminal::Output;

/// Arguments of `aprendiz man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz man --dir ~/.local/share/man/man1
  man aprendiz-run-create")]
pub(crate) struct ManArgs {
    /// Directory for the pages, one for each command; existing pages are replaced
    #[arg(short, long, value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(args: &ManArgs, command: Command, output: Output) -> Result<(), CliError> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut files = Vec::new();
    for (name, page) in pages(command)? {
        let file = dir.join(format!("{name}.1"));
        std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
        files.push(file);
    }
    output.print(&json!({ "path": dir, "pages": files.len() }), || format!("{} manual pages written to {}", files.len(), dir.display()))?;
    Ok(())
}

/// The pages of a command and of all its subcommands, by name.
pub(crate) fn pages(mut command: Command) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    // gives every command the options that are global
    command.build();
    let mut pages = Vec::new();
    let mut rest = vec![command];
    while let Some(command) = rest.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
        let mut page = Vec::new();
        rest.extend(command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help").cloned());
        Man::new(command).render(&mut page).with_context(|| format!("cannot render the page of {name}"))?;
        pages.push((name, page));
    }
    Ok(pages)
}
