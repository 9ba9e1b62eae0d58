//! Downloads the files of a dataset or model version: each checked against its hash before it gets its name, and never over
//! a file that is different.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use artifacts::check_relative_path;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::cli::client::Client;
use crate::cli::exit::CliError;

/// A file to fetch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RemoteFile {
    pub(crate) path: String,
    /// Size, where it is known before.
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: String,
}

/// What became of a file.
#[derive(Debug, Serialize)]
pub(crate) struct LocalFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its hash, which was checked.
    pub(crate) sha256: String,
    /// Whether it was there already.
    pub(crate) was_there: bool,
}

/// Fetches files from below an address of the API into a folder.
pub(crate) async fn download(client: &Client, below: &[&str], files: &[RemoteFile], dir: &Path) -> Result<Vec<LocalFile>, CliError> {
    // looked at before anything is written: a refusal leaves no half of a model behind
    let mut local = Vec::with_capacity(files.len());
    for file in files {
        check_relative_path(&file.path).context("the API lists a file that cannot be stored")?;
        let path = dir.join(&file.path);
        let was_there = path.try_exists().with_context(|| format!("cannot look at {}", path.display()))?;
        if was_there {
            refuse_different(&path, &file.sha256).await?;
        }
        local.push(LocalFile { path, sha256: file.sha256.clone(), was_there });
    }
    let missing = || files.iter().zip(&local).filter(|(_, local)| !local.was_there);
    let bar = bar(missing().filter_map(|(file, _)| file.bytes).sum());
    for (file, local) in missing() {
        bar.set_message(file.path.clone());
        fetch(client, below, file, &local.path, &bar).await?;
    }
    bar.finish_and_clear();
    Ok(local)
}

async fn refuse_different(path: &Path, sha256: &str) -> Result<(), CliError> {
    let owned = path.to_owned();
    let found = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut hash = Sha256::new();
        std::io::copy(&mut std::fs::File::open(owned)?, &mut HashWriter(&mut hash))?;
        Ok(hex::encode(hash.finalize()))
    });
    let found = found.await.context("reading was broken off")?.with_context(|| format!("cannot read {}", path.display()))?;
    if found == sha256 {
        return Ok(());
    }
    Err(CliError::Failed(anyhow!("{} is there already and is different: choose another folder, or remove it", path.display())))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn fetch(client: &Client, below: &[&str], file: &RemoteFile, target: &Path, bar: &ProgressBar) -> Result<(), CliError> {
    let mut address: Vec<&str> = below.to_vec();
    address.extend(file.path.split('/'));
    let mut stream = client.send(client.request(Method::GET, &address)).await?.bytes_stream();
    let folder = target.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut staged = staged_in(folder)?;
    let mut hash = Sha256::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| client.explain(&error))?;
        hash.update(&chunk);
        // a local disk is fast beside the network: not worth another thread
        staged.write_all(&chunk).with_context(|| format!("cannot write into {}", folder.display()))?;
        bar.inc(chunk.len() as u64);
    }
    let found = hex::encode(hash.finalize());
    if found != file.sha256 {
        return Err(CliError::Failed(anyhow!(
            "{} arrived damaged: sha256 is {found}, expected {}; nothing was kept of it, try again",
            file.path,
            file.sha256
        )));
    }
    keep(staged, target)?;
    Ok(())
}

fn staged_in(folder: &Path) -> anyhow::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    // the usual rights of a new file, less what the umask takes; the library's own default is "only me"
    builder.prefix(".aprendiz-").permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(folder).with_context(|| format!("cannot write into {}", folder.display()))
}

fn keep(staged: NamedTempFile, target: &Path) -> anyhow::Result<()> {
    staged.as_file().sync_all().with_context(|| format!("cannot write {}", target.display()))?;
    match staged.persist_noclobber(target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} appeared meanwhile: it was left as it is", target.display())
        }
        Err(error) => Err(error.error).with_context(|| format!("cannot write {}", target.display())),
    }
}

fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    match ProgressStyle::with_template("{spinner} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  eta {eta}  {msg}") {
        Ok(style) => ProgressBar::new(bytes).with_style(style),
        Err(_) => ProgressBar::new(bytes),
    }
}

/// What is said about downloaded files.
pub(crate) fn text(files: &[LocalFile], dir: &Path) -> String {
    let there = files.iter().filter(|file| file.was_there).count();
    let already = if there > 0 { format!(" ({there} were there already)") } else { String::new() };
    format!("{} files in {}{already}, every one checked against its SHA-256", files.len(), dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_different_file_is_never_overwritten() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "mine").unwrap();
        assert!(refuse_different(file.path(), &hex::encode(Sha256::digest("mine"))).await.is_ok());
        assert!(refuse_different(file.path(), &hex::encode(Sha256::digest("theirs"))).await.is_err());
        assert!(keep(NamedTempFile::new_in(file.path().parent().unwrap()).unwrap(), file.path()).is_err());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "mine");
    }
}
