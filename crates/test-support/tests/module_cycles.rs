//! Dependency cycles between the modules of each crate: a module must not use a module that uses it.
//!
//! The check reads the source text. It knows paths that begin with `crate`, `super`, `self` or a child module; macros can hide others.

#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module as the names from the crate root to it; the root has none.
type Module = Vec<String>;

/// The modules of a crate, each with the modules that it uses.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// A path in a source file, and the inline modules around it.
#[derive(Debug, PartialEq)]
struct SourcePath {
    inline: Vec<String>,
    names: Vec<String>,
}

#[test]
fn no_module_uses_a_module_that_uses_it() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut found = Vec::new();
    for root in crate_roots(workspace) {
        let name = root.strip_prefix(workspace).unwrap().display();
        found.extend(cycles(&dependencies(&root)).into_iter().map(|cycle| format!("{name}: {}", cycle.join(", "))));
    }
    assert!(found.is_empty(), "modules that use each other; move what both need into a module of its own:\n{}", found.join("\n"));
}

/// The folders of all libraries and programs of the workspace that have more than one module.
fn crate_roots(workspace: &Path) -> Vec<PathBuf> {
    let crates = fs::read_dir(workspace.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let packages = crates.chain(["producer", "worker", "e2e", "deploy/local/s3"].map(|package| workspace.join(package)));
    let mut files = Vec::new();
    for source in packages.map(|package| package.join("src")).filter(|source| source.is_dir()) {
        find_rust_files(&source, &mut files);
    }
    let roots: BTreeSet<PathBuf> = files.iter().filter(|file| is_root(file)).map(|file| file.parent().unwrap().to_owned()).collect();
    roots.into_iter().collect()
}

fn is_root(file: &Path) -> bool {
    file.ends_with("lib.rs") || file.ends_with("main.rs")
}

fn find_rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module of a file: `a/b.rs` and `a/b/mod.rs` are both `a::b`.
fn module_name(root: &Path, file: &Path) -> Module {
    let path = file.strip_prefix(root).unwrap().with_extension("");
    let mut names: Module = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|last| last == "mod") || is_root(file) {
        names.pop();
    }
    names
}

fn dependencies(root: &Path) -> Graph {
    let mut files = Vec::new();
    find_rust_files(root, &mut files);
    // a folder with a root of its own is another crate
    files.retain(|file| {
        !file.parent().unwrap().ancestors().take_while(|folder| *folder != root).any(|folder| folder.join("main.rs").exists())
    });
    let modules: BTreeSet<Module> = files.iter().map(|file| module_name(root, file)).collect();
    let mut graph = Graph::new();
    for file in &files {
        let module = module_name(root, file);
        let children = modules.iter().filter(|other| other.len() == module.len() + 1 && other.starts_with(&module));
        let children: Vec<&str> = children.filter_map(|child| child.last().map(String::as_str)).collect();
        let paths = find_paths(&fs::read_to_string(file).unwrap(), &children);
        let used = paths.iter().filter_map(|path| resolve(path, &module, &modules)).filter(|used| *used != module);
        graph.entry(module.clone()).or_default().extend(used);
    }
    graph
}

/// Finds the paths of a file that begin with `crate`, `super`, `self` or a child module. Comments and the tests at its end are skipped.
fn find_paths(text: &str, children: &[&str]) -> Vec<SourcePath> {
    let lines: Vec<&str> = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").map(without_comment).collect();
    let mut found = Vec::new();
    // names and indentations of the inline modules around the current line; rustfmt indents their ends like their beginnings
    let mut inline: Vec<(String, usize)> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let indentation = line.len() - line.trim_start().len();
        if line.trim() == "}" && inline.last().is_some_and(|(_, begin)| *begin == indentation) {
            inline.pop();
        }
        let rest = lines[number..].join("\n");
        for start in ["crate", "super", "self"].iter().chain(children) {
            for (at, _) in line.match_indices(&format!("{start}::")) {
                let before = &line[..at];
                let is_part = before.ends_with(|last: char| last.is_alphanumeric() || ['_', ':', '$'].contains(&last));
                // `pub(in crate::a)` limits visibility and uses nothing
                if !is_part && !before.ends_with("(in ") {
                    let mut paths = Vec::new();
                    expand(&rest[at..], &mut Vec::new(), &mut paths);
                    let names = inline.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
                    found.extend(paths.into_iter().map(|path| SourcePath { inline: names.clone(), names: path }));
                }
            }
        }
        if let Some(name) = line.trim().strip_suffix(" {").and_then(|line| line.rsplit_once("mod ")).map(|(_, name)| name) {
            inline.push((name.to_owned(), indentation));
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Reads the path, or the tree of paths, at the start of `code` and appends it to `found`. Returns the code after it.
fn expand<'a>(code: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    let mut rest = code.trim_start();
    loop {
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = inner.trim_start();
                if let Some(after) = inner.strip_prefix('}') {
                    prefix.truncate(depth);
                    return after;
                }
                let after = expand(inner, prefix, found).trim_start().trim_start_matches(',');
                if after.len() >= inner.len() {
                    // not an import: a block that begins with a path
                    prefix.truncate(depth);
                    return "";
                }
                inner = after;
            }
        }
        let length = rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len());
        if length > 0 {
            prefix.push(rest[..length].to_owned());
        }
        rest = &rest[length..];
        match rest.strip_prefix("::") {
            Some(after) => rest = after,
            None => break,
        }
    }
    found.push(prefix.clone());
    prefix.truncate(depth);
    let rest = rest.trim_start();
    match rest.strip_prefix("as ") {
        Some(alias) => alias.trim_start().trim_start_matches(|character: char| character.is_alphanumeric() || character == '_'),
        None => rest.strip_prefix('*').unwrap_or(rest),
    }
}

/// The deepest module that a path in the file of `module` names.
fn resolve(path: &SourcePath, module: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut at = [module.as_slice(), &path.inline].concat();
    let mut names = path.names.iter().peekable();
    match names.peek()?.as_str() {
        "crate" => {
            at.clear();
            names.next();
        }
        "self" => drop(names.next()),
        _ => {}
    }
    for name in names {
        if name == "super" {
            at.pop()?;
            continue;
        }
        at.push(name.clone());
        if !modules.contains(&at) {
            at.pop();
            break;
        }
    }
    // inline modules belong to their file
    while !modules.contains(&at) {
        at.pop()?;
    }
    Some(at)
}

/// The modules that are used by a module, directly or through others.
fn reachable(graph: &Graph, from: &Module) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Module> = graph[from].iter().collect();
    while let Some(module) = open.pop() {
        if reached.insert(module.clone()) {
            open.extend(graph.get(module).into_iter().flatten());
        }
    }
    reached
}

/// The groups of modules that all reach each other.
fn cycles(graph: &Graph) -> BTreeSet<Vec<String>> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> = graph.keys().map(|module| (module, reachable(graph, module))).collect();
    let cycle = |module: &Module| {
        let others = reached[module].iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(module)));
        others.map(|other| if other.is_empty() { "(root)".to_owned() } else { other.join("::") }).collect::<Vec<_>>()
    };
    graph.keys().map(cycle).filter(|cycle| cycle.len() > 1).collect()
}

fn joined(code: &str, children: &[&str]) -> Vec<String> {
    find_paths(code, children).iter().map(|path| path.names.join("::")).collect()
}

#[test]
fn imports_with_braces_are_expanded() {
    let code = "use crate::a::{b::C, d::{self, E as F}, G};";
    assert_eq!(joined(code, &[]), ["crate::a::b::C", "crate::a::d::self", "crate::a::d::E", "crate::a::G"]);
    assert_eq!(joined("use crate::{\n    a::B,\n    c::*,\n};", &[]), ["crate::a::B", "crate::c"]);
}

#[test]
fn only_paths_within_the_crate_are_found() {
    let code = "pub(in crate::a) fn f() { super::x::y(1); mycrate::z(); child::g(); $crate::h() } // crate::b";
    assert_eq!(joined(code, &["child"]), ["super::x::y", "child::g"]);
}

/// Writes the files of a crate and returns its cycles.
fn cycles_in(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    cycles(&dependencies(folder.path())).iter().map(|cycle| cycle.join(" ")).collect()
}

#[test]
fn a_cycle_of_three_modules_is_found() {
    let (root, a, b) = (("lib.rs", "mod a; mod b; mod c;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::{self, C};"));
    assert_eq!(cycles_in(&[root, a, b, ("c.rs", "fn f() { crate::a::g() }")]), ["a b c"]);
    assert!(cycles_in(&[root, a, b, ("c.rs", "#[cfg(test)]\nmod tests { use crate::a::g; }")]).is_empty());
}

#[test]
fn a_cycle_of_a_module_and_its_child_is_found() {
    let parent = ("a/mod.rs", "mod b;\nconst C: u8 = 1;\nfn f() { b::f() }");
    assert_eq!(cycles_in(&[("lib.rs", "mod a;"), parent, ("a/b.rs", "use super::C;")]), ["a a::b"]);
    assert!(cycles_in(&[("lib.rs", "mod a;"), parent, ("a/b.rs", "use crate::d::C;")]).is_empty());
}

#[test]
fn an_inline_module_belongs_to_its_file() {
    let a = ("a.rs", "use crate::b::B;\nmod columns {\n    use super::A;\n    use crate::c::C;\n}\nuse super::d::D;");
    assert!(cycles_in(&[("lib.rs", "fn f() { a::f() }"), a, ("b.rs", ""), ("c.rs", ""), ("d.rs", "")]).is_empty());
}
