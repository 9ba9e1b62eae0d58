//! Executes the commands of a page in one shell, and compares their outputs with those of the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::blocks::{Block, command_blocks, read_page};
use super::console::first_difference;
use crate::fixture::TestApp;

/// Variable with the export of the guide's examples.
const EXPORT_VARIABLE: &str = "APRENDIZ_GUIDE_EXPORT";
/// Seconds after which a command is ended.
const COMMAND_LIMIT_SECONDS: u32 = 600;
/// Starts the line that separates outputs.
const MARK: &str = "@@@";

/// The export of the guide's examples, if it is here.
fn guide_export() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cuad/export.json.gz");
    Some(std::env::var_os(EXPORT_VARIABLE).map_or_else(default, PathBuf::from)).filter(|path| path.exists())
}

/// Writes the files that the pages use. Returns whether they are those whose outputs the pages show.
fn write_files(app: &TestApp, folder: &Path) -> bool {
    let export = folder.join("export.json.gz");
    let shown = guide_export();
    match &shown {
        Some(file) => drop(std::fs::copy(file, &export).unwrap()),
        None => {
            println!("{EXPORT_VARIABLE} is not set: the commands run on a generated sample, and their outputs are not compared");
            write_sample(app, &export);
        }
    }
    let tasks = read_tasks(&export);
    let text = tasks[0]["data"]["text"].as_str().expect("the first task has a text");
    std::fs::write(folder.join("contract.txt"), text).unwrap();
    let spec = json!({ "model": "contracts", "data": { "min_support": 3 } });
    std::fs::write(folder.join("spec.json"), spec.to_string()).unwrap();
    let broken = r#"[{"id": 900001, "data": {"body": "Service agreement under the laws of Texas between Acme and Bolt."}}]"#;
    std::fs::write(folder.join("broken.json"), broken).unwrap();
    let review = "task_id,text,law_pred,law_gold,law_status\n1,A lease under the laws of Texas.,Utah,Texas,CORRECTED\n";
    std::fs::write(folder.join("review.csv"), review).unwrap();
    shown.is_some()
}

/// Writes a generated export as project 1, whose tasks are numbered from 1, like the one of the pages.
fn write_sample(app: &TestApp, export: &Path) {
    let mut sample = app.env.command("aprendiz-sample");
    sample.args(["contracts", "--documents", "300", "--seed", "7", "--out"]).arg(export);
    assert!(sample.status().unwrap().success());
    // the pages use two fields; the sample has the second one under another name
    let renamed = read_tasks(export).to_string().replace("\"managed_by\"", "\"governing_law\"");
    let mut tasks: Value = serde_json::from_str(&renamed).unwrap();
    for (task, number) in tasks.as_array_mut().expect("an array of tasks").iter_mut().zip(1..) {
        (task["id"], task["project"]) = (json!(number), json!(1));
        for part in ["annotations", "predictions"] {
            for item in task[part].as_array_mut().into_iter().flatten() {
                (item["task"], item["project"]) = (json!(number), json!(1));
            }
        }
    }
    let mut file = GzEncoder::new(std::fs::File::create(export).unwrap(), Compression::fast());
    serde_json::to_writer(&mut file, &tasks).unwrap();
    file.finish().unwrap();
}

fn read_tasks(export: &Path) -> Value {
    serde_json::from_reader(GzDecoder::new(std::fs::File::open(export).unwrap())).unwrap()
}

/// One shell script with all commands, so that variables of a block are known in the next ones.
fn script(blocks: &[&Block]) -> String {
    let mut script = "set -o pipefail\n".to_owned();
    for (block, contents) in blocks.iter().enumerate() {
        for (index, documented) in contents.commands.iter().enumerate() {
            let command = &documented.command;
            let _ = writeln!(
                script,
                "echo; echo '{MARK} begin {block} {index}'\n{{ {command}\n}} 2>&1\ncode=$?; echo; echo \"{MARK} end {block} {index} $code\""
            );
        }
    }
    script
}

/// Output and exit code of each command, by block and index.
fn outputs(transcript: &str) -> BTreeMap<(usize, usize), (String, i32)> {
    let mut found = BTreeMap::new();
    let mut current = String::new();
    for line in transcript.lines() {
        let Some(mark) = line.strip_prefix(MARK) else {
            current.push_str(line);
            current.push('\n');
            continue;
        };
        let words: Vec<&str> = mark.split_whitespace().collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<usize>().ok()).expect("the mark has numbers");
        if words[0] == "begin" {
            current.clear();
        } else {
            found.insert((number(1), number(2)), (std::mem::take(&mut current), words[3].parse().expect("an exit code")));
        }
    }
    found
}

/// Executes every block that is not marked, and lists what differs. `prepare` writes the files that the page uses, and returns whether the
/// outputs must be those of the page.
async fn run_page(page: &str, prepare: impl Fn(&TestApp, &Path) -> bool) {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let is_shown = prepare(&app, folder.path());
    let worker = app.env.worker("worker", &[]);
    let blocks = command_blocks(&read_page(page));
    let blocks: Vec<&Block> = blocks.iter().filter(|block| block.not_run.is_none()).collect();
    assert!(!blocks.is_empty(), "{page} has no block that is run");

    let program = app.env.command("aprendiz").get_program().to_owned();
    let binaries = Path::new(&program).parent().expect("a binary is in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([binaries].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut shell = Command::new("timeout");
    shell.args([&COMMAND_LIMIT_SECONDS.to_string(), "bash", "-c", &script(&blocks)]).current_dir(folder.path());
    shell.env("PATH", path).env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    // a reader has a URL and a key, and no access to the services
    for variable in ["DATABASE_URL", "REDIS_URL", "APRENDIZ_BUCKET", "AWS_ENDPOINT_URL_S3"] {
        shell.env_remove(variable);
    }
    shell.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = outputs(&String::from_utf8_lossy(&output.stdout));

    let mut problems = Vec::new();
    for (block, contents) in blocks.iter().enumerate() {
        for (index, documented) in contents.commands.iter().enumerate() {
            let place = format!("{page}:{}: {}", contents.line, documented.command);
            match found.get(&(block, index)) {
                None => problems.push(format!("{place}: did not end")),
                Some((output, code)) if *code != 0 => problems.push(format!("{place}: exit code {code}:\n{output}")),
                Some((output, _)) if is_shown => problems.extend(
                    first_difference(&documented.output, output)
                        .map(|line| format!("{place}: the page shows\n    {line}\n  the command\n{output}")),
                ),
                Some(_) => {}
            }
        }
    }
    drop(worker);
    assert!(problems.is_empty(), "{}\nstandard error:\n{errors}", problems.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_tutorial_run_and_show_its_outputs() {
    // its commands generate their files, which are the same everywhere
    run_page("docs/TUTORIAL.md", |_, _| true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_of_the_guide_run_and_show_its_outputs() {
    run_page("docs/USER_GUIDE.md", write_files).await;
}
