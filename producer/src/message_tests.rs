//! Checks the texts that people read: every command in them exists, every route exists, and no error is printed in debug form.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;

/// Folders with the sources of messages, relative to this package.
const FOLDERS: [&str; 3] = ["src", "../crates", "../worker/src"];
const METHODS: [&str; 4] = ["GET ", "PUT ", "POST ", "DELETE "];

/// The code of a file: without comments and unit tests, and with continued string literals on one line.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut code = String::new();
    for line in lines {
        match line.strip_suffix('\\') {
            Some(start) if code.ends_with(CONTINUED) => {
                code.truncate(code.len() - 1);
                code.push_str(start.trim_start());
                code.push(CONTINUED);
            }
            Some(start) => {
                code.push_str(start);
                code.push(CONTINUED);
            }
            None if code.ends_with(CONTINUED) => {
                code.truncate(code.len() - 1);
                code.push_str(line.trim_start());
                code.push('\n');
            }
            None => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    code
}

/// Marks a line that continues.
const CONTINUED: char = '\u{1}';

/// All source files, without tests.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.extend((!["tests", "target", "fuzz", "examples", "test-support"].contains(&name.as_str())).then_some(path));
            } else if name.ends_with(".rs") && !["tests.rs", "message_tests.rs"].contains(&name.as_str()) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// What is wrong with a command line that starts after `aprendiz `; `None` if nothing is. `quoted` = it is marked as a command.
fn problem(root: &Command, line: &str, quoted: bool) -> Option<String> {
    let mut command = root;
    for token in line.split_whitespace() {
        let token = token.split("\\n").next().unwrap_or_default();
        let word: String = token.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if command.has_subcommands() {
            match command.find_subcommand(&word) {
                Some(found) => command = found,
                // prose such as "aprendiz is running"
                None if std::ptr::eq(command, root) && !quoted => return None,
                None if word.starts_with("--") => {}
                None if word.is_empty() => return None,
                None => return Some(format!("`{}` has no command `{word}`", command.get_name())),
            }
        }
        if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            let mut known = command.get_arguments().chain(root.get_arguments().filter(|argument| argument.is_global_set()));
            if name != "help"
                && name != "version"
                && !known.any(|argument| argument.get_long_and_visible_aliases().unwrap_or_default().contains(&name))
            {
                return Some(format!("`{}` has no option --{name}", command.get_name()));
            }
        }
        if token.chars().count() > word.chars().count() && token.contains(['`', '"', ';', ',', ')', '(', ':']) {
            return None;
        }
    }
    None
}

#[test]
fn every_command_in_a_message_exists() {
    let mut root = Cli::command();
    root.build();
    let mut problems = Vec::new();
    let mut checked = 0;
    for file in sources() {
        for line in code(&file).lines() {
            for (start, name) in line.match_indices("aprendiz ") {
                let quoted = line[..start].ends_with('`');
                checked += 1;
                let rest = &line[start + name.len()..];
                problems.extend(problem(&root, rest, quoted).map(|problem| format!("{}: {problem}: {rest}", file.display())));
            }
        }
    }
    assert!(checked > 100, "only {checked} commands were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_command_of_the_documentation_exists() {
    let mut root = Cli::command();
    root.build();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut problems = Vec::new();
    let mut checked = 0;
    let pages = ["OPERATIONS", "RUNBOOKS", "DEPLOYMENT", "STATES", "API", "USER_GUIDE", "USER_GUIDE.pt-BR", "TUTORIAL", "TUTORIAL.pt-BR"]
        .map(|page| format!("docs/{page}.md"));
    for page in pages.iter().map(String::as_str).chain(["README.md"]) {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        for (number, line) in text.lines().enumerate() {
            for (start, name) in line.match_indices("aprendiz ") {
                // the name of the product in a sentence is no command
                let before = line[..start].trim_start();
                if !(before.is_empty() || before == "$ " || before.ends_with('`')) {
                    continue;
                }
                checked += 1;
                let rest = line[start + name.len()..].split(" # ").next().unwrap_or_default();
                problems.extend(problem(&root, rest, true).map(|problem| format!("{page}:{}: {problem}: {rest}", number + 1)));
            }
        }
    }
    assert!(checked > 100, "only {checked} commands were found");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_route_in_a_message_exists() {
    let document = serde_json::to_value(crate::api::open_api()).unwrap();
    let paths: Vec<(String, Vec<String>)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, methods)| (path.clone(), methods.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect()))
        .collect();
    let matches = |template: &str, path: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len()
            && template.iter().zip(&path).all(|(one, other)| one == other || one.starts_with('{') || other.starts_with('{'))
    };
    let mut unknown = Vec::new();
    let mut checked = 0;
    for file in sources() {
        for line in code(&file).lines() {
            for (method, (start, _)) in METHODS.iter().flat_map(|method| line.match_indices(method).map(move |found| (method, found))) {
                let path = &line[start + method.len()..];
                let end = path.find(|c: char| !(c.is_ascii_alphanumeric() || "/{}_.-".contains(c))).unwrap_or(path.len());
                let path = path[..end].trim_end_matches('.');
                if !path.starts_with('/') {
                    continue;
                }
                checked += 1;
                let method = method.trim();
                if !paths.iter().any(|(template, methods)| matches(template, path) && methods.iter().any(|known| known == method)) {
                    unknown.push(format!("{}: {method} {path}", file.display()));
                }
            }
        }
    }
    assert!(checked >= 3, "only {checked} routes were found");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn no_error_is_printed_in_debug_form() {
    let mut found = Vec::new();
    for file in sources() {
        for line in code(&file).lines() {
            let debug = ["error:?}", "source:?}", "cause:?}", "other:?}", "DisplayErrorContext(error)"];
            if debug.iter().any(|form| line.contains(form)) && !line.contains("debug!(") {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_wrong_command_is_found() {
    let mut root = Cli::command();
    root.build();
    assert_eq!(problem(&root, "run retry ID` or", true), None);
    assert_eq!(problem(&root, "is running", false), None);
    assert_eq!(problem(&root, "run create --model contracts --wait\",", false), None);
    assert_eq!(problem(&root, "run restart ID`", true).unwrap(), "`run` has no command `restart`");
    assert_eq!(problem(&root, "runs list`", true).unwrap(), "`aprendiz` has no command `runs`");
    assert_eq!(problem(&root, "run retry ID --force`", true).unwrap(), "`retry` has no option --force");
}
