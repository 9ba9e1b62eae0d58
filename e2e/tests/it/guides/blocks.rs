//! Reads the fenced code blocks of a Markdown page.

use std::path::Path;

/// Mark before a block that the test does not execute, followed by the reason.
const NOT_RUN: &str = "<!-- not run: ";

/// A block of commands.
#[derive(Debug)]
pub(super) struct Block {
    /// Line of its first command in the page, from 1.
    pub(super) line: usize,
    /// Why it is not executed.
    pub(super) not_run: Option<String>,
    pub(super) commands: Vec<Documented>,
}

/// A command and the output that the page shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Documented {
    pub(super) command: String,
    /// Lines of the output; empty if the page shows none.
    pub(super) output: Vec<String>,
}

/// The blocks `sh` and `console` of a page, in their order.
pub(super) fn command_blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut not_run = None;
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(reason) = line.strip_prefix(NOT_RUN) {
            let reason = reason.strip_suffix(" -->").expect("the mark ends with `-->` on its line");
            not_run = Some(reason.to_owned());
            continue;
        }
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                assert!(not_run.is_none(), "line {number}: no block follows the mark of a block that is not run");
            }
            continue;
        };
        let content: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let not_run = not_run.take();
        let commands = match language {
            "sh" => shell_commands(&content),
            "console" => console_commands(&content),
            _ => continue,
        };
        blocks.push(Block { line: number + 2, not_run, commands });
    }
    blocks
}

fn shell_commands(lines: &[&str]) -> Vec<Documented> {
    let commands = lines.iter().map(|line| without_comment(line)).filter(|line| !line.is_empty());
    commands.map(|command| Documented { command, output: Vec::new() }).collect()
}

fn console_commands(lines: &[&str]) -> Vec<Documented> {
    let mut commands: Vec<Documented> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(Documented { command: without_comment(command), output: Vec::new() }),
            (None, Some(last)) => last.output.push((*line).to_owned()),
            (None, None) => panic!("a console block begins with a command: {line}"),
        }
    }
    commands
}

/// A command line without the comment at its end. A comment is set apart by a blank, and no argument of the pages contains one.
fn without_comment(line: &str) -> String {
    if line.starts_with('#') {
        return String::new();
    }
    line.split(" # ").next().unwrap_or_default().trim_end().to_owned()
}

/// Reads a page of the repository.
pub(super) fn read_page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn blocks_have_commands_outputs_and_reasons() {
    let page = "# T\n\n```sh\n# only a comment\naprendiz doctor      # checks\n```\n\n<!-- not run: needs a GPU -->\n```console\n$ aprendiz x\nout\n\n…\n$ aprendiz y\n```\n\n```text\nno command\n```\n";
    let blocks = command_blocks(page);
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].line, blocks[0].commands[0].command.as_str()), (4, "aprendiz doctor"));
    assert_eq!(blocks[1].not_run.as_deref(), Some("needs a GPU"));
    assert_eq!(blocks[1].commands[0].output, ["out", "", "…"]);
    assert_eq!(blocks[1].commands[1], Documented { command: "aprendiz y".to_owned(), output: Vec::new() });
}

#[test]
fn both_languages_have_the_same_commands() {
    for (page, min_blocks) in [("USER_GUIDE", 10), ("TUTORIAL", 10)] {
        let [english, portuguese] = ["", ".pt-BR"].map(|language| command_blocks(&read_page(&format!("docs/{page}{language}.md"))));
        assert!(english.len() > min_blocks, "{page} has {} blocks", english.len());
        for (one, other) in english.iter().zip(&portuguese) {
            assert_eq!(one.commands, other.commands, "{page}: lines {} and {}", one.line, other.line);
            assert_eq!(one.not_run.is_some(), other.not_run.is_some(), "{page}: lines {} and {}", one.line, other.line);
        }
        assert_eq!(english.len(), portuguese.len(), "{page}");
    }
}

/// Reason of the blocks of the README that the test of the tutorial runs.
const OF_TUTORIAL: &str = "the tutorial has these commands";

#[test]
fn the_commands_of_the_readme_are_those_of_the_tutorial() {
    let tutorial: Vec<String> =
        command_blocks(&read_page("docs/TUTORIAL.md")).into_iter().flat_map(|block| block.commands).map(|shown| shown.command).collect();
    let mut checked = 0;
    for block in command_blocks(&read_page("README.md")) {
        match block.not_run.as_deref() {
            Some(OF_TUTORIAL) => {
                for Documented { command, .. } in block.commands {
                    assert!(tutorial.contains(&command), "line {}: the tutorial does not have `{command}`", block.line);
                    checked += 1;
                }
            }
            Some(_) => {}
            None => panic!("line {}: no test runs the commands of the README; mark the block `{OF_TUTORIAL}`", block.line),
        }
    }
    assert!(checked >= 10, "only {checked} commands");
}

#[test]
fn every_command_is_in_a_block_that_is_checked() {
    for page in ["README.md", "docs/TUTORIAL.md", "docs/TUTORIAL.pt-BR.md", "docs/USER_GUIDE.md", "docs/USER_GUIDE.pt-BR.md"] {
        let text = read_page(page);
        let mut indented = text.lines().enumerate().filter(|(_, line)| line.starts_with("    aprendiz "));
        assert_eq!(indented.next(), None, "{page}: write commands in a block `sh` or `console`: indented lines are not executed");
    }
}
