//! Broken files and lost connections leave nothing behind.

use std::io::{self, Cursor, Read};
use std::sync::mpsc;

use aprendiz_annotations::import::{ImportError, ImportOptions, ReadError, import_label_studio};

use crate::database::{contents, count, import, import_with, with_database};
use crate::task_builders::{file, gzip, reviewed};

fn many() -> Vec<u8> {
    file(&(1..=500).map(|id| reviewed(id, &[("law", "Texas")])).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_broken_files_name_the_location_and_nothing_is_left_behind() {
    with_database(|pool| async move {
        let whole = many();
        let middle = whole.windows(9).position(|window| window == br#","id":250"#).unwrap();
        let mut malformed = whole.clone();
        malformed[middle] = b'}';
        let compressed = gzip(&whole);
        let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
        for (export, code) in [
            (malformed, "invalid_json"),
            (cut(&whole), "truncated"),
            (cut(&compressed), "truncated"),
            ([whole.as_slice(), b"x"].concat(), "invalid_json"),
            (b"{\"id\": 1}".to_vec(), "not_an_array"),
            (Vec::new(), "not_an_array"),
        ] {
            let error = import(&pool, export).await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.is_client_fault());
            if let ImportError::File(ReadError::InvalidJson { task_index, .. }) = error {
                assert!(task_index == 250 || task_index == 500, "{error}");
            }
            assert!(contents(&pool).await.is_empty(), "{code}");
            assert_eq!(count(&pool, "SELECT count(*) FROM imports").await, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_fails() {
    with_database(|pool| async move {
        let mut options = ImportOptions::new("test");
        options.limits.total_bytes = 100_000;
        let error = import_with(&pool, gzip(&many()), &options).await.unwrap_err();
        assert_eq!(error.code(), "too_large", "{error}");
        assert!(contents(&pool).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_option_is_rejected_first() {
    with_database(|pool| async move {
        let mut options = ImportOptions::new("test");
        options.project = Some(String::new());
        assert_eq!(import_with(&pool, many(), &options).await.unwrap_err().code(), "invalid_option");
    })
    .await;
}

/// Returns its first bytes, then waits for the rest.
struct Pausing {
    first: Cursor<Vec<u8>>,
    reached: Option<tokio::sync::oneshot::Sender<()>>,
    resume: mpsc::Receiver<Vec<u8>>,
    rest: Option<Cursor<Vec<u8>>>,
}

impl Read for Pausing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.first.read(buffer)?;
        if read > 0 {
            return Ok(read);
        }
        if let Some(reached) = self.reached.take() {
            reached.send(()).ok();
            self.rest = self.resume.recv().ok().map(Cursor::new);
        }
        match &mut self.rest {
            Some(rest) => rest.read(buffer),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

fn pausing(bytes: Vec<u8>) -> (Pausing, tokio::sync::oneshot::Receiver<()>, mpsc::Sender<Vec<u8>>) {
    let (reached, was_reached) = tokio::sync::oneshot::channel();
    let (sender, resume) = mpsc::channel();
    (Pausing { first: Cursor::new(bytes), reached: Some(reached), resume, rest: None }, was_reached, sender)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_import_leaves_nothing_behind() {
    with_database(|pool| async move {
        let (input, reached, sender) = pausing(many());
        let running = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut conn = pool.acquire().await.unwrap();
                import_label_studio(&mut conn, input, &ImportOptions::new("test"), |_| {}).await
            }
        });
        reached.await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        drop(sender);
        assert!(contents(&pool).await.is_empty());
        assert_eq!(import(&pool, many()).await.unwrap().documents_created, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_upload_is_a_read_error() {
    with_database(|pool| async move {
        let (input, _reached, sender) = pausing(many()[..10_000].to_vec());
        drop(sender);
        let mut conn = pool.acquire().await.unwrap();
        let error = import_label_studio(&mut conn, input, &ImportOptions::new("test"), |_| {}).await.unwrap_err();
        assert_eq!(error.code(), "read_failed", "{error}");
        drop(conn);
        assert!(contents(&pool).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upload_does_not_block_others() {
    with_database(|pool| async move {
        let whole = many();
        let (first, rest) = whole.split_at(whole.len() / 2);
        let (input, reached, sender) = pausing(first.to_vec());
        let running = tokio::spawn({
            let pool = pool.clone();
            async move {
                let mut conn = pool.acquire().await.unwrap();
                import_label_studio(&mut conn, input, &ImportOptions::new("test"), |_| {}).await
            }
        });
        reached.await.unwrap();
        // the position lock is free, and another import of the same project goes through
        let mut conn = pool.acquire().await.unwrap();
        sqlx::query("SET lock_timeout = '10s'").execute(&mut *conn).await.unwrap();
        sqlx::query("SELECT next_position()").execute(&mut *conn).await.unwrap();
        let export = file(&[reviewed(1, &[("law", "Texas")])]);
        let other = import_label_studio(&mut conn, Cursor::new(export), &ImportOptions::new("test"), |_| {}).await.unwrap();
        assert_eq!(other.documents_created, 1);
        sender.send(rest.to_vec()).unwrap();
        let report = running.await.unwrap().unwrap();
        assert_eq!((report.documents_created, report.documents_unchanged), (499, 1));
    })
    .await;
}
