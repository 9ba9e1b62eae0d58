//! `aprendiz completions`: a completion script for a shell.

use clap::{Args, Command, ValueEnum};

use crate::cli::error::CliError;
use crate::cli::terminal::print_json_line;

/// Arguments of `aprendiz completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz completions bash > ~/.local/share/bash-completion/completions/aprendiz
  aprendiz completions zsh > ~/.zfunc/_aprendiz                       with ~/.zfunc in fpath
  aprendiz completions fish > ~/.config/fish/completions/aprendiz.fish
  aprendiz completions powershell >> $PROFILE")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

pub(crate) fn run(args: &CompletionsArgs, command: Command) -> Result<(), CliError> {
    Ok(print_json_line(script(args.shell, command).trim_end())?)
}

/// The completion script for a shell.
pub(crate) fn script(shell: Shell, mut command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
    };
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
