//! `manifest.json`: every file of a model directory with its size and sha256, so that a reader can tell a whole and
//! unchanged model from anything else. It is written last and never lists itself.

use std::{
    fs,
    io::Read,
    path::{Component, Path},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{config::replace, error::ModelError};

/// Name of the file in a model directory.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The only version this program reads and writes.
pub const MANIFEST_VERSION: u32 = 1;

/// Read at once while hashing.
const BUFFER_BYTES: usize = 1 << 16;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The files, sorted by path.
    pub files: Vec<ManifestFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Path below the directory, with `/` between its parts.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Hash of the content, lower-case hexadecimal.
    pub sha256: String,
}

/// Hashes every file of a model directory and writes its manifest, replacing one that is there.
///
/// # Errors
/// If a file cannot be read, is no regular file, has a name that is not UTF-8, or the manifest cannot be written.
pub fn write(dir: &Path) -> Result<Manifest, ModelError> {
    let mut files = Vec::new();
    for path in list(dir)? {
        let (bytes, sha256) = hash_file(&dir.join(&path))?;
        files.push(ManifestFile { path, bytes, sha256 });
    }
    let manifest = Manifest { version: MANIFEST_VERSION, files };
    let path = dir.join(MANIFEST_FILE);
    let mut text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| ModelError::refused(&path, format!("cannot be written as JSON: {error}")))?;
    text.push('\n');
    replace(&path, text.as_bytes())?;
    Ok(manifest)
}

/// Reads the manifest of a directory and checks that exactly the listed files are there, each unchanged.
///
/// # Errors
/// If the manifest is missing, malformed or of another version, lists a path that could lead elsewhere, or a file is
/// missing, changed or not listed.
pub fn verify(dir: &Path) -> Result<Manifest, ModelError> {
    let manifest_path = dir.join(MANIFEST_FILE);
    let text = fs::read_to_string(&manifest_path).map_err(ModelError::io(&manifest_path))?;
    let manifest = parse(&text).map_err(|reason| ModelError::refused(&manifest_path, reason))?;

    for file in &manifest.files {
        let path = dir.join(&file.path);
        let found = fs::symlink_metadata(&path).map_err(ModelError::io(&path))?;
        if !found.is_file() {
            return Err(ModelError::refused(path, "is listed in the manifest but is no regular file"));
        }
        if found.len() != file.bytes {
            let reason = format!("has {} bytes, the manifest says {}", found.len(), file.bytes);
            return Err(ModelError::refused(path, reason));
        }
        let (_, sha256) = hash_file(&path)?;
        if sha256 != file.sha256 {
            return Err(ModelError::refused(path, format!("has sha256 {sha256}, the manifest says {}", file.sha256)));
        }
    }
    for path in list(dir)? {
        if manifest.files.binary_search_by(|file| file.path.cmp(&path)).is_err() {
            return Err(ModelError::refused(dir.join(path), "is not listed in the manifest"));
        }
    }
    Ok(manifest)
}

fn parse(text: &str) -> Result<Manifest, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(MANIFEST_VERSION) => {}
        Some(version) => return Err(format!("version {version} is not known, only {MANIFEST_VERSION} is")),
        None => return Err("has no version".to_owned()),
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if let Some(file) = manifest.files.iter().find(|file| !is_plain(&file.path)) {
        return Err(format!("lists `{}`, which is no plain path below the directory", file.path));
    }
    if !manifest.files.windows(2).all(|pair| pair[0].path < pair[1].path) {
        return Err("files are not sorted by path, or one is listed twice".to_owned());
    }
    Ok(manifest)
}

/// Whether a path stays below the directory and is written in the one way we write it.
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
    while let Some(below) = pending.pop() {
        let folder = dir.join(&below);
        for entry in fs::read_dir(&folder).map_err(ModelError::io(&folder))? {
            let entry = entry.map_err(ModelError::io(&folder))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(ModelError::refused(entry.path(), "has a name that is not UTF-8"));
            };
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(ModelError::io(entry.path()))?;
            if kind.is_dir() {
                pending.push(path);
            } else if !kind.is_file() {
                return Err(ModelError::refused(entry.path(), "is neither a regular file nor a folder"));
            } else if path != MANIFEST_FILE {
                files.push(path);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Size and SHA-256, hex, of a file, however large.
///
/// # Errors
/// If it cannot be read.
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
    fn a_manifest_lists_all_files_sorted_with_their_hashes() {
        let dir = directory();
        let manifest = write(dir.path()).unwrap();
        let listed: Vec<_> = manifest.files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(listed, [("a", 0), ("b/two", 2)]);
        assert_eq!(manifest.files[0].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(verify(dir.path()).unwrap(), manifest);
        // writing again lists the same: the manifest is no part of itself
        assert_eq!(write(dir.path()).unwrap(), manifest);
    }

    #[test]
    fn a_changed_missing_or_added_file_is_named() {
        let dir = directory();
        write(dir.path()).unwrap();
        fs::write(dir.path().join("b/two"), "23").unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("two") && error.contains("sha256"), "{error}");

        fs::write(dir.path().join("b/two"), "223").unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("3 bytes, the manifest says 2"));

        fs::remove_file(dir.path().join("b/two")).unwrap();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("two"));

        fs::write(dir.path().join("b/two"), "22").unwrap();
        fs::write(dir.path().join("extra"), "").unwrap();
        let error = verify(dir.path()).unwrap_err().to_string();
        assert!(error.contains("extra") && error.contains("not listed"), "{error}");
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for path in ["/etc/passwd", "../a", "b/../a", "./a", "b//two", "", "b\\two", "manifest.json"] {
            let text = serde_json::json!({
                "version": 1, "files": [{"path": path, "bytes": 0, "sha256": ""}]
            });
            let error = parse(&text.to_string()).unwrap_err();
            assert!(error.contains("plain path"), "{path}: {error}");
        }
    }

    #[test]
    fn another_version_is_refused_before_its_content_is_looked_at() {
        assert_eq!(parse(r#"{"version": 2, "new": 1}"#).unwrap_err(), "version 2 is not known, only 1 is");
        assert_eq!(parse("{}").unwrap_err(), "has no version");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_file_of_a_model() {
        let dir = directory();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link")).unwrap();
        assert!(write(dir.path()).unwrap_err().to_string().contains("link"));
    }
}
