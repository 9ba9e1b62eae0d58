//! Downloads of dataset and model files: each file is verified against its hash, and a different local file is overwritten
//! on request only.

use aprendiz_text::count;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use aprendiz_artifacts::check_relative_path;
use futures::StreamExt as _;
use indicatif::ProgressBar;
use reqwest::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::cli::error::CliError;
use crate::cli::http::client::Client;
use crate::cli::http::retry::Retry;
use crate::cli::terminal::{byte_bar, escape_lines};

/// A file to download.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RemoteFile {
    pub(crate) path: String,
    /// Size, if it is known in advance.
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: String,
}

/// A downloaded file.
#[derive(Debug, Serialize)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    /// Verified hash.
    pub(crate) sha256: String,
    /// Whether an identical file already existed.
    pub(crate) was_there: bool,
}

/// Downloads files from below an API path into a directory.
///
/// A local file with another content is an error, unless `force` says to overwrite it.
pub(crate) async fn download(
    client: &Client,
    base: &[&str],
    files: &[RemoteFile],
    dir: &Path,
    force: bool,
) -> Result<Vec<LocalFile>, CliError> {
    // checked before anything is written, so that a conflict leaves no partial model
    let mut local = Vec::with_capacity(files.len());
    for file in files {
        check_relative_path(&file.path).context("the API lists a file with an unsafe path")?;
        let path = dir.join(&file.path);
        let mut was_there = path.try_exists().with_context(|| format!("cannot access {}", path.display()))?;
        if was_there && !has_content(&path, &file.sha256).await? {
            if !force {
                return Err(different(&path));
            }
            was_there = false;
        }
        local.push(LocalFile { path, sha256: file.sha256.clone(), was_there });
    }
    let missing = || files.iter().zip(&local).filter(|(_, local)| !local.was_there);
    let bar = byte_bar(Some(missing().filter_map(|(file, _)| file.bytes).sum()));
    for (file, local) in missing() {
        bar.set_message(escape_lines(&file.path));
        fetch(client, base, file, &local.path, force, &bar).await?;
    }
    bar.finish_and_clear();
    Ok(local)
}

fn different(path: &Path) -> CliError {
    let text = "already exists with different content: choose another directory, remove it, or overwrite it with --force";
    CliError::Failed(anyhow!("{} {text}", path.display()))
}

/// Whether a local file has this hash.
async fn has_content(path: &Path, sha256: &str) -> Result<bool, CliError> {
    let owned = path.to_owned();
    let found = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut hash = Sha256::new();
        std::io::copy(&mut std::fs::File::open(owned)?, &mut HashWriter(&mut hash))?;
        Ok(hex::encode(hash.finalize()))
    });
    let found = found.await.context("hashing was aborted")?.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(found == sha256)
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

async fn fetch(client: &Client, base: &[&str], file: &RemoteFile, target: &Path, force: bool, bar: &ProgressBar) -> Result<(), CliError> {
    let mut path: Vec<&str> = base.to_vec();
    path.extend(file.path.split('/'));
    let directory = target.parent().context("a file path has a parent directory")?;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut partial = PartialFile { staged: create_staged(directory)?, hash: Sha256::new(), bytes: 0 };
    let mut retry = Retry::default();
    loop {
        let before = partial.bytes;
        let Err(error) = partial.receive(client, &path, file, bar).await else { break };
        if partial.bytes == 0 {
            return Err(error);
        }
        if partial.bytes > before {
            retry.reset();
        }
        retry.pause(error).await?;
    }
    let PartialFile { staged, hash, .. } = partial;
    let found = hex::encode(hash.finalize());
    if found != file.sha256 {
        return Err(CliError::Failed(anyhow!(
            "{} was corrupted in transit: sha256 is {found}, expected {}; try again",
            file.path,
            file.sha256
        )));
    }
    persist(staged, target, force)?;
    Ok(())
}

/// The part of a file that has arrived.
struct PartialFile {
    staged: NamedTempFile,
    hash: Sha256,
    bytes: u64,
}

impl PartialFile {
    /// Receives the rest of the file, or all of it again if the server does not send a part.
    async fn receive(&mut self, client: &Client, path: &[&str], file: &RemoteFile, bar: &ProgressBar) -> Result<(), CliError> {
        let mut request = client.request(Method::GET, path);
        if self.bytes > 0 {
            let range = format!("bytes={}-", self.bytes);
            request = request.header(header::RANGE, range).header(header::IF_RANGE, format!("\"{}\"", file.sha256));
        }
        let response = client.send(request).await?;
        if self.bytes > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
            self.staged.as_file().set_len(0)?;
            self.staged.rewind()?;
            bar.set_position(bar.position().saturating_sub(self.bytes));
            (self.hash, self.bytes) = (Sha256::new(), 0);
        }
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| client.connection_error(&error))?;
            self.hash.update(&chunk);
            // blocking is acceptable: local disks are much faster than the network
            self.staged.write_all(&chunk).context("cannot write a temporary file beside the target")?;
            self.bytes += chunk.len() as u64;
            bar.inc(chunk.len() as u64);
        }
        if file.bytes.is_some_and(|bytes| self.bytes < bytes) { Err(CliError::cut_off(&file.path)) } else { Ok(()) }
    }
}

/// Creates a temporary file in the directory of its target, to be renamed once it is complete.
pub(crate) fn create_staged(directory: &Path) -> anyhow::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    // the usual mode of a new file, reduced by the umask; the default of the library is 0600
    builder.prefix(".aprendiz-").permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(directory).with_context(|| format!("cannot write to {}", directory.display()))
}

/// Moves a complete file to its place; `force` overwrites what is there.
pub(crate) fn persist(staged: NamedTempFile, target: &Path, force: bool) -> anyhow::Result<()> {
    staged.as_file().sync_all().with_context(|| format!("cannot write {}", target.display()))?;
    if force {
        staged.persist(target).map_err(|error| error.error).with_context(|| format!("cannot write {}", target.display()))?;
        return Ok(());
    }
    match staged.persist_noclobber(target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!("{} was created by another process in the meantime: it was left unchanged", target.display())
        }
        Err(error) => Err(error.error).with_context(|| format!("cannot write {}", target.display())),
    }
}

/// Summary of a download.
pub(crate) fn summary(files: &[LocalFile], dir: &Path) -> String {
    let there = files.iter().filter(|file| file.was_there).count();
    let already = if there > 0 { format!(" ({there} already existed)") } else { String::new() };
    format!("{} in {}{already}, all verified by SHA-256", count(files.len() as u64, "file"), dir.display())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::cli::connection::Connection;

    #[tokio::test]
    async fn different_files_are_overwritten_on_request_only() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "local").unwrap();
        assert!(matches!(has_content(file.path(), &hex::encode(Sha256::digest("local"))).await, Ok(true)));
        assert!(matches!(has_content(file.path(), &hex::encode(Sha256::digest("remote"))).await, Ok(false)));
        let staged = || NamedTempFile::new_in(file.path().parent().unwrap()).unwrap();
        assert!(persist(staged(), file.path(), false).is_err());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "local");
        assert!(persist(staged(), file.path(), true).is_ok());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "", "overwritten on request");
    }

    const CONTENT: &str = "0123456789abcdef";

    /// Answers one request after the other with these bytes, closing the connection after each. Returns the URL, and the requests.
    async fn serve(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    connection.read_buf(&mut request).await.unwrap();
                }
                connection.write_all(answer.as_bytes()).await.unwrap();
                requests.push(String::from_utf8(request).unwrap().to_lowercase());
            }
            requests
        });
        (url, serving)
    }

    async fn fetch_from(url: String, target: &Path) -> Result<(), CliError> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::new(&Connection { url, key: None, url_from: String::new(), key_from: String::new() })
            .unwrap_or_else(|_| panic!("a valid URL"));
        let sha256 = hex::encode(Sha256::digest(CONTENT));
        let file = RemoteFile { path: "file".to_owned(), bytes: Some(CONTENT.len() as u64), sha256 };
        fetch(&client, &["files"], &file, target, false, &ProgressBar::hidden()).await
    }

    #[tokio::test]
    async fn a_download_that_breaks_off_continues_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        let (url, requests) = serve(vec![
            // announces more than it sends; then a proxy does not reach the server; then the rest, which a proxy ends too early
            format!("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{}", &CONTENT[..4]),
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_owned(),
            format!("HTTP/1.1 206 Partial Content\r\nconnection: close\r\n\r\n{}", &CONTENT[4..10]),
            format!("HTTP/1.1 206 Partial Content\r\ncontent-length: 6\r\n\r\n{}", &CONTENT[10..]),
        ])
        .await;
        assert!(fetch_from(url, &target).await.is_ok());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), CONTENT);
        let requests = requests.await.unwrap();
        assert!(!requests[0].contains("range:"), "{}", requests[0]);
        assert!(requests[1].contains("range: bytes=4-") && requests[3].contains("range: bytes=10-"), "{requests:?}");
        assert!(requests[3].contains(&format!("if-range: \"{}\"", hex::encode(Sha256::digest(CONTENT)))), "{requests:?}");
    }

    #[tokio::test]
    async fn a_download_starts_again_if_the_server_sends_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        let (url, requests) = serve(vec![
            format!("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{}", &CONTENT[..4]),
            format!("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{CONTENT}"),
        ])
        .await;
        assert!(fetch_from(url, &target).await.is_ok());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), CONTENT);
        requests.await.unwrap();
    }
}
