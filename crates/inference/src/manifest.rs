//! `manifest.json`: size and SHA-256 of every file of a model directory, and how the model was trained. It is written last and does not
//! list itself, so that readers can verify that a model is complete and unchanged.

use std::{
    fs,
    io::Read,
    path::{Component, Path},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{error::ModelError, files::replace_file};

/// Name of the file in a model directory.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Version of the format that is written. Version 1, which has no provenance, is read, too.
pub const MANIFEST_VERSION: u32 = 2;

/// Buffer size for hashing.
const BUFFER_BYTES: usize = 1 << 16;

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// How the model was trained; absent in directories that were not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Files, sorted by path.
    pub files: Vec<ManifestFile>,
}

/// What made a model: the build of the program, and all settings with their resolved values. Informational only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Build of the program that trained it.
    pub build: Build,
    /// Settings of the training with their resolved values.
    pub training: serde_json::Value,
}

/// A build of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Version of the program.
    pub version: String,
    /// Git revision of its sources; `unknown` if it was built without git.
    pub git_revision: String,
    /// Whether the sources had changes that were not committed; `None` = unknown.
    pub dirty: Option<bool>,
}

/// A file of the model directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Path relative to the directory, separated by `/`.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
}

/// Hashes every file of a model directory and writes its manifest without provenance, replacing an existing one.
///
/// # Errors
/// A file cannot be read, is not a regular file or has a non-UTF-8 name, or the manifest cannot be written.
pub fn write(dir: &Path) -> Result<Manifest, ModelError> {
    write_with_provenance(dir, None)
}

/// Hashes every file of a model directory and writes its manifest, replacing an existing one.
///
/// # Errors
/// Those of [`write()`].
pub fn write_with_provenance(dir: &Path, provenance: Option<Provenance>) -> Result<Manifest, ModelError> {
    let mut files = Vec::new();
    for path in list(dir)? {
        let (bytes, sha256) = hash_file(&dir.join(&path))?;
        files.push(ManifestFile { path, bytes, sha256 });
    }
    let manifest = Manifest { version: MANIFEST_VERSION, provenance, files };
    let path = dir.join(MANIFEST_FILE);
    let mut text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| ModelError::invalid(&path, format!("cannot serialize to JSON: {error}")))?;
    text.push('\n');
    replace_file(&path, text.as_bytes())?;
    Ok(manifest)
}

/// Reads the manifest of a directory and verifies that the directory contains exactly the listed files, unchanged.
///
/// # Errors
/// The manifest is missing, malformed, of another version or lists an unsafe path, or a file is missing, changed or not listed.
pub fn verify(dir: &Path) -> Result<Manifest, ModelError> {
    let manifest_path = dir.join(MANIFEST_FILE);
    let text = fs::read_to_string(&manifest_path).map_err(ModelError::io(&manifest_path))?;
    let manifest = parse(&text).map_err(|reason| ModelError::invalid(&manifest_path, reason))?;

    for file in &manifest.files {
        let path = dir.join(&file.path);
        let found = fs::symlink_metadata(&path).map_err(ModelError::io(&path))?;
        if !found.is_file() {
            return Err(ModelError::invalid(path, "is listed in the manifest but is not a regular file"));
        }
        if found.len() != file.bytes {
            let reason = format!("has {} bytes, expected {} by the manifest", found.len(), file.bytes);
            return Err(ModelError::invalid(path, reason));
        }
        let (_, sha256) = hash_file(&path)?;
        if sha256 != file.sha256 {
            return Err(ModelError::invalid(path, format!("has sha256 {sha256}, expected {} by the manifest", file.sha256)));
        }
    }
    for path in list(dir)? {
        if manifest.files.binary_search_by(|file| file.path.cmp(&path)).is_err() {
            return Err(ModelError::invalid(dir.join(path), "is not listed in the manifest"));
        }
    }
    Ok(manifest)
}

/// Parses the content of the file, and checks its paths.
///
/// # Errors
/// It is malformed, of another version, or lists an unsafe path.
pub fn parse(text: &str) -> Result<Manifest, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if (1..=u64::from(MANIFEST_VERSION)).contains(&version) => {}
        Some(version) => return Err(format!("unsupported version {version}, expected at most {MANIFEST_VERSION}")),
        None => return Err("missing version".to_owned()),
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if let Some(file) = manifest.files.iter().find(|file| !is_plain(&file.path)) {
        return Err(format!("unsafe path `{}`: expected a plain relative path", file.path));
    }
    if !manifest.files.windows(2).all(|pair| pair[0].path < pair[1].path) {
        return Err("files are not sorted by path, or a path is duplicated".to_owned());
    }
    Ok(manifest)
}

/// Whether a path stays below the directory and is in canonical form.
fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path != MANIFEST_FILE
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Paths of all files below the directory except the manifest, sorted.
fn list(dir: &Path) -> Result<Vec<String>, ModelError> {
    let mut files = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(parent) = pending.pop() {
        let directory = dir.join(&parent);
        for entry in fs::read_dir(&directory).map_err(ModelError::io(&directory))? {
            let entry = entry.map_err(ModelError::io(&directory))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(ModelError::invalid(entry.path(), "has a non-UTF-8 name"));
            };
            let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
            let kind = entry.file_type().map_err(ModelError::io(entry.path()))?;
            if kind.is_dir() {
                pending.push(path);
            } else if !kind.is_file() {
                return Err(ModelError::invalid(entry.path(), "is neither a regular file nor a directory"));
            } else if path != MANIFEST_FILE {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Size and hexadecimal SHA-256 of a file of any size.
///
/// # Errors
/// The file cannot be read.
pub fn hash_file(path: &Path) -> Result<(u64, String), ModelError> {
    let mut file = fs::File::open(path).map_err(ModelError::io(path))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer).map_err(ModelError::io(path))?;
        if read == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        digest.update(&buffer[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("b")).unwrap();
        fs::write(dir.path().join("b/two"), "22").unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        dir
    }

    #[test]
    fn manifest_lists_all_files_sorted_with_hashes() {
        let dir = directory();
        let manifest = write(dir.path()).unwrap();
        let listed: Vec<_> = manifest.files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(listed, [("a", 0), ("b/two", 2)]);
        assert_eq!(manifest.files[0].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(verify(dir.path()).unwrap(), manifest);
        // the manifest does not list itself
        assert_eq!(write(dir.path()).unwrap(), manifest);
    }

    #[test]
    fn the_provenance_is_kept() {
        let dir = directory();
        let build = Build { version: "0.1.0".to_owned(), git_revision: "unknown".to_owned(), dirty: None };
        let provenance = Provenance { build, training: serde_json::json!({ "seed": 7 }) };
        write_with_provenance(dir.path(), Some(provenance.clone())).unwrap();
        assert_eq!(verify(dir.path()).unwrap().provenance, Some(provenance));
    }

    #[test]
    fn changed_missing_and_extra_files_are_named() {
        let dir = directory();
        write(dir.path()).unwrap();
        fs::write(dir.path().join("b/two"), "23").unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("two") && error.contains("sha256"), "{error}");

        fs::write(dir.path().join("b/two"), "223").unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("3 bytes, expected 2"));

        fs::remove_file(dir.path().join("b/two")).unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("two"));

        fs::write(dir.path().join("b/two"), "22").unwrap();
        fs::write(dir.path().join("extra"), "").unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("extra") && error.contains("not listed"), "{error}");
    }

    #[test]
    fn unsafe_paths_are_rejected() {
        for path in ["/etc/passwd", "../a", "b/../a", "./a", "b//two", "", "b\\two", "manifest.json"] {
            let text = serde_json::json!({
                "version": 1, "files": [{"path": path, "bytes": 0, "sha256": ""}]
            });
            let error = parse(&text.to_string()).unwrap_err();
            assert!(error.contains("plain relative path"), "{path}: {error}");
        }
    }

    #[test]
    fn other_versions_are_rejected_before_their_content_is_parsed() {
        assert_eq!(parse(r#"{"version": 3, "new": 1}"#).unwrap_err(), "unsupported version 3, expected at most 2");
        assert!(parse(r#"{"version": 1, "files": []}"#).unwrap().provenance.is_none());
        assert_eq!(parse("{}").unwrap_err(), "missing version");
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_rejected() {
        let dir = directory();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link")).unwrap();
        assert!(write(dir.path()).unwrap_err().to_string().contains("link"));
    }
}
