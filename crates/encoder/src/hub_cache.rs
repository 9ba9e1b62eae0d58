//! Finds complete snapshots in the cache of the Hugging Face tools.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    files::MODULES_FILE,
    hub_component::is_valid_component,
    model::{modules::has_sentence_transformers_card, reader::DirectoryReader},
};

/// Extension of a file that is being downloaded, or whose download was interrupted.
const INCOMPLETE_EXTENSION: &str = "incomplete";

/// The snapshot of the revision `main` in the folder `models--OWNER--NAME`, with notes; the only snapshot, if `main` is unknown. `None` if
/// there is none. The error says why the snapshot cannot be trusted.
pub(crate) fn find_snapshot(model: &Path) -> Result<Option<(PathBuf, Vec<String>)>, String> {
    let snapshots = model.join("snapshots");
    let all = entries(&snapshots);
    let (snapshot, notes) = match fs::read_to_string(model.join("refs/main")) {
        Ok(revision) if is_valid_component(revision.trim()) => (snapshots.join(revision.trim()), Vec::new()),
        _ => match all.as_slice() {
            [] => return Ok(None),
            [only] => {
                let revision = only.file_name().unwrap_or_default().to_string_lossy();
                (only.clone(), vec![format!("the cache does not know the revision `main`: its only snapshot, {revision}, is used")])
            }
            several => return Err(format!("{}: has {} snapshots, and no refs/main says which", model.display(), several.len())),
        },
    };
    // blobs are shared by the snapshots: which of them lack the file is not recorded
    if let Some(blob) =
        entries(&model.join("blobs")).into_iter().find(|blob| blob.extension().is_some_and(|ext| ext == INCOMPLETE_EXTENSION))
    {
        return Err(format!("{}: the download is incomplete ({}): finish it with `hf download`", snapshot.display(), blob.display()));
    }
    if !snapshot.is_dir() {
        return Err(format!("{}: the download is incomplete: finish it with `hf download`", snapshot.display()));
    }
    if let Some(file) = dangling_link(&snapshot) {
        return Err(format!("{}: its content is missing: finish the download with `hf download`", file.display()));
    }
    let has_modules = |dir: &Path| dir.join(MODULES_FILE).exists();
    if !has_modules(&snapshot)
        && (all.iter().any(|dir| has_modules(dir)) || has_sentence_transformers_card(&DirectoryReader::new(&snapshot)))
    {
        let snapshot = snapshot.display();
        return Err(format!("{snapshot}: has no {MODULES_FILE}, although the model has: finish the download with `hf download`"));
    }
    Ok(Some((snapshot, notes)))
}

/// Paths in a folder, sorted; none if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// A link to a file that does not exist, in the folder or in one of its folders.
fn dangling_link(folder: &Path) -> Option<PathBuf> {
    entries(folder).into_iter().find_map(|path| match fs::metadata(&path) {
        Err(_) => Some(path),
        Ok(metadata) if metadata.is_dir() => dangling_link(&path),
        Ok(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model in the cache with one snapshot, `abc`.
    fn model() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["blobs", "refs", "snapshots/abc/1_Pooling"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["blobs/1", "snapshots/abc/modules.json", "snapshots/abc/config.json"] {
            fs::write(dir.path().join(file), "{}").unwrap();
        }
        fs::write(dir.path().join("refs/main"), "abc\n").unwrap();
        dir
    }

    fn refusal(change: impl FnOnce(&Path)) -> String {
        let dir = model();
        change(dir.path());
        find_snapshot(dir.path()).unwrap_err()
    }

    #[test]
    fn a_complete_snapshot_is_found_by_its_revision_or_as_the_only_one() {
        let dir = model();
        let (found, notes) = find_snapshot(dir.path()).unwrap().unwrap();
        assert!(found.ends_with("snapshots/abc") && notes.is_empty());
        fs::remove_file(dir.path().join("refs/main")).unwrap();
        let (found, notes) = find_snapshot(dir.path()).unwrap().unwrap();
        assert!(found.ends_with("snapshots/abc") && notes[0].contains("abc"), "{notes:?}");
        assert_eq!(find_snapshot(&dir.path().join("nowhere")).unwrap(), None);
    }

    #[test]
    fn an_unfinished_download_is_not_used() {
        let incomplete = |dir: &Path| fs::write(dir.join("blobs/2.incomplete"), "").unwrap();
        assert!(refusal(incomplete).contains("2.incomplete"));
        let without_main = |dir: &Path| {
            incomplete(dir);
            fs::remove_file(dir.join("refs/main")).unwrap();
        };
        assert!(refusal(without_main).contains("hf download"));
        let dangling =
            |dir: &Path| std::os::unix::fs::symlink("../../../blobs/9", dir.join("snapshots/abc/1_Pooling/config.json")).unwrap();
        assert!(refusal(dangling).contains("1_Pooling/config.json: its content is missing"));
        assert!(refusal(|dir| fs::write(dir.join("refs/main"), "def").unwrap()).contains("snapshots/def: the download is incomplete"));
    }

    #[test]
    fn a_snapshot_without_the_modules_of_its_model_is_not_used() {
        let remove = |dir: &Path| fs::remove_file(dir.join("snapshots/abc/modules.json")).unwrap();
        let bare = model();
        remove(bare.path());
        assert!(find_snapshot(bare.path()).unwrap().is_some(), "a model of transformers");
        let other = |dir: &Path| {
            remove(dir);
            fs::create_dir(dir.join("snapshots/zzz")).unwrap();
            fs::write(dir.join("snapshots/zzz/modules.json"), "[]").unwrap();
        };
        assert!(refusal(other).contains("no modules.json"));
        let card = |dir: &Path| {
            remove(dir);
            fs::write(dir.join("snapshots/abc/README.md"), "---\nlibrary_name: sentence-transformers\n---\nText\n").unwrap();
        };
        assert!(refusal(card).contains("no modules.json"));
    }

    #[test]
    fn one_of_several_snapshots_is_not_guessed() {
        let several = |dir: &Path| {
            fs::create_dir(dir.join("snapshots/zzz")).unwrap();
            fs::remove_file(dir.join("refs/main")).unwrap();
        };
        assert!(refusal(several).contains("has 2 snapshots"));
    }
}
