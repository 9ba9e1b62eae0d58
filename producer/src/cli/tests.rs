//! Rules that every command of the command line follows.

use std::collections::BTreeMap;

use aprendiz_run_spec::RunSpec;
use clap::builder::StyledStr;
use clap::{Arg, Command, ValueEnum as _};
use serde_json::{Value, json};

use super::*;
use crate::cli::connection::GLOBAL_OPTIONS;
use crate::cli::shell::completions::{Shell, script};
use crate::cli::shell::man::pages;

/// Every command with its whole name, built so that it has the global options.
fn commands() -> Vec<(String, Command)> {
    let mut root = Cli::command();
    root.build();
    let mut found = Vec::new();
    let mut rest = vec![("aprendiz".to_owned(), root)];
    while let Some((name, command)) = rest.pop() {
        let children = command.get_subcommands().filter(|child| child.get_name() != "help" && !child.is_hide_set());
        rest.extend(children.map(|child| (format!("{name} {}", child.get_name()), child.clone())));
        found.push((name, command));
    }
    found
}

/// The commands that do something.
fn leaves() -> Vec<(String, Command)> {
    commands().into_iter().filter(|(_, command)| command.get_subcommands().all(|child| child.get_name() == "help")).collect()
}

fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()) && !argument.is_hide_set())
}

#[test]
fn command_line_definition_is_valid() {
    // also finds short options that two arguments share
    Cli::command().debug_assert();
}

#[test]
fn global_flags_are_accepted_after_the_command() {
    let cli = Cli::try_parse_from(["aprendiz", "run", "list", "-o", "json", "--url", "http://x:1"]).unwrap();
    assert_eq!((cli.global.format(), cli.global.client.url.as_deref()), (Output::Json, Some("http://x:1")));
    let quiet = |line: &[&str]| Cli::try_parse_from([&["aprendiz", "model", "list"], line].concat()).unwrap().global.format();
    assert_eq!((quiet(&["-q"]), quiet(&["-q", "-o", "json"]), quiet(&["-o", "text"])), (Output::Name, Output::Json, Output::Text));
}

#[test]
fn every_command_has_examples() {
    let all = leaves();
    assert!(all.len() > 50, "{}", all.len());
    let help = |command: &Command| {
        let text = |help: Option<&StyledStr>| help.map(ToString::to_string).unwrap_or_default();
        text(command.get_after_help()) + &text(command.get_after_long_help())
    };
    let missing: Vec<&str> = all
        .iter()
        .filter(|(name, command)| !(help(command).contains("Example") && help(command).contains(name.as_str())))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(missing.is_empty(), "commands without an example of themselves: {missing:?}");
}

#[test]
fn global_options_have_their_own_heading_and_are_never_required() {
    for (name, mut command) in commands() {
        let global: Vec<&Arg> = options(&command).filter(|argument| argument.is_global_set()).collect();
        let ids: Vec<&str> = global.iter().map(|argument| argument.get_id().as_str()).collect();
        for id in ["url", "api_key", "api_key_file", "profile", "output", "quiet", "columns", "color", "no_pager", "verbose"] {
            assert!(ids.contains(&id), "{name} lacks the global option {id}: {ids:?}");
        }
        for argument in global {
            assert_eq!(argument.get_help_heading(), Some(GLOBAL_OPTIONS), "{name}: {}", argument.get_id());
            assert!(!argument.is_required_set(), "{name}: {}", argument.get_id());
        }
        let usage = command.render_usage().to_string();
        assert!(!usage.contains("--url") && !usage.contains("--api-key"), "{usage}");
    }
}

#[test]
fn every_argument_is_described_and_choices_are_listed() {
    for (name, command) in commands() {
        for argument in options(&command) {
            let id = argument.get_id().as_str();
            assert!(argument.get_help().is_some_and(|help| !help.to_string().is_empty()), "{name}: {id} has no help");
            if ["kind", "status", "role", "case", "format", "order", "output", "color", "shell"].contains(&id) {
                assert!(!argument.get_possible_values().is_empty(), "{name}: the values of {id} are not listed");
            }
        }
    }
}

/// Everything that the help says about an argument.
fn described(argument: &Arg) -> String {
    let text = |help: Option<&StyledStr>| help.map(ToString::to_string).unwrap_or_default();
    text(argument.get_help()) + &text(argument.get_long_help())
}

#[test]
fn every_option_with_a_default_shows_it_once() {
    let mut shown = 0;
    for (name, mut command) in commands() {
        // without the line breaks of wrapped text
        let help = command.render_long_help().to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        for argument in options(&command) {
            let (id, described) = (argument.get_id(), described(argument));
            assert!(!described.contains("(default"), "{name}: {id}: write `[default: …]`, as clap does: {described}");
            let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            if argument.get_action().takes_values() && !defaults.is_empty() {
                assert!(!described.contains("[default:"), "{name}: {id} shows its default twice: {described}");
                assert!(help.contains(&format!("[default: {}]", defaults.join(" "))), "{name}: the default of {id} is not shown: {help}");
                shown += 1;
            }
        }
    }
    assert!(shown > 20, "{shown}");
}

#[test]
fn written_defaults_of_a_run_are_those_of_its_spec() {
    // the options have no default of their own, because they override a spec file only if they are given
    let spec = |spec: Value| serde_json::to_value(serde_json::from_value::<RunSpec>(spec).unwrap()).unwrap();
    let spec = spec(json!({ "model": "m", "data": {} }));
    let (_, create) = leaves().into_iter().find(|(name, _)| name == "aprendiz run create").unwrap();
    let values = ["kind", "target_accuracy", "seed", "priority", "max_attempts"].map(|id| (id, &spec[id]));
    for (id, value) in values.into_iter().chain([("min_support", &spec["data"]["min_support"])]) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let argument = options(&create).find(|argument| argument.get_id() == id).unwrap();
        assert!(described(argument).contains(&format!("[default: {value}]")), "{id} is {value}: {}", described(argument));
    }
}

#[test]
fn errors_about_missing_arguments_require_no_global_option() {
    let mut incomplete = 0;
    for (name, _) in leaves() {
        let Err(error) = Cli::try_parse_from(name.split(' ')) else { continue };
        let text = error.to_string();
        assert!(text.contains("Usage:"), "{name}: {text}");
        assert!(!text.contains("--url") && !text.contains("--api-key"), "{text}");
        incomplete += 1;
    }
    assert!(incomplete > 20, "{incomplete}");
}

#[test]
fn options_with_the_same_meaning_have_the_same_name() {
    for (name, command) in leaves() {
        for argument in options(&command) {
            let long = argument.get_long().unwrap_or_default();
            let short = argument.get_short();
            assert!(!["undo", "no-wait", "watch"].contains(&long), "{name}: --{long}");
            let expected = match long {
                "wait" => Some('w'),
                "follow" => Some('f'),
                "limit" => Some('n'),
                "dir" => Some('d'),
                _ => continue,
            };
            assert_eq!(short, expected, "{name}: --{long}");
        }
    }
    let starts = ["run create", "run retry", "run cancel", "run clone", "ingest", "eval", "train-st", "sweep", "import", "worker drain"];
    let all = leaves();
    for start in starts {
        let (_, command) = all.iter().find(|(name, _)| *name == format!("aprendiz {start}")).unwrap();
        assert!(options(command).any(|argument| argument.get_long() == Some("wait")), "{start} has no --wait");
    }
}

#[test]
fn errors_of_the_parser_are_json_if_json_is_requested() {
    let requests = |line: &str| requests_json(line.split(' ').map(str::to_owned));
    for line in ["run list -o json", "-o yaml run", "run --output=json x", "run -ojsonl"] {
        assert!(requests(line), "{line}");
    }
    for line in ["run list", "run -o table", "run create -- -o json", "run -o"] {
        assert!(!requests(line), "{line}");
    }
}

#[test]
fn every_shell_completes_commands_options_and_values() {
    for shell in Shell::value_variants() {
        let script = script(*shell, Cli::command());
        for word in ["whoami", "explain", "idempotency-key", "no-pager"] {
            assert!(script.contains(word), "{word} is not in the script of {shell:?}");
        }
        // the generator for PowerShell knows no values
        assert!(*shell == Shell::Powershell || script.contains("sentence-transformer"), "{shell:?} completes no values");
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_examples() {
    let pages: BTreeMap<String, Vec<u8>> = pages(Cli::command()).unwrap().into_iter().collect();
    let all = commands();
    assert_eq!(pages.len(), all.len());
    for (name, _) in all {
        let page = pages.get(&name.replace(' ', "-")).unwrap_or_else(|| panic!("{name} has no page"));
        assert!(String::from_utf8_lossy(page).contains(".SH NAME"), "{name}");
    }
    let page = String::from_utf8_lossy(&pages["aprendiz-run-create"]).replace('\\', "");
    assert!(page.contains("help-params") && page.contains("Examples:"), "{page}");
}
