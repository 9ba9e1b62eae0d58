//! Files that mean harm, or were harmed: a report or a clear error, never a panic, and nothing half-written.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annotations::import::{ImportError, ImportOptions, inspect};
use serde_json::json;

use crate::database::{contents, count, import, import_with, with_database};
use crate::export::{file, gzip, reviewed};
use crate::variants::variant;

/// Everything that the database or the reader may answer to a bad file.
const CODES: [&str; 5] = ["invalid_json", "truncated", "damaged_gzip", "not_an_array", "too_large"];

#[test]
fn ten_thousand_variants_are_read_or_refused_with_a_reason() {
    let mut options = ImportOptions::new("test");
    options.limits.total_bytes = 32 << 20;
    let (mut read, mut refused, mut quarantined) = (0, 0, 0);
    for number in 0..10_000 {
        let started = Instant::now();
        match inspect(&variant(number)[..], &options) {
            Ok(found) => {
                read += 1;
                quarantined += found.quarantined;
                assert!(found.documents + found.quarantined <= found.tasks, "{number}: {found:?}");
                assert!(
                    found.quarantined_tasks.iter().all(|task| !task.reason.is_empty() && task.reason.len() <= 2_000),
                    "{number}: {found:?}"
                );
            }
            Err(error) => {
                refused += 1;
                assert!(CODES.contains(&error.code()) && error.is_client_fault(), "{number}: {error}");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{number} took {:?}", started.elapsed());
    }
    // each of the three ways is taken often, or the variants are not what they should be
    assert!(read > 4_000 && refused > 1_000 && quarantined > 2_000, "{read} read, {refused} refused, {quarantined} tasks quarantined");
}

/// `fuzz/` finds such files; each of those that are kept once reached code that no other had reached.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_fuzzer_kept_is_stored_or_refused_with_a_reason() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/import");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 100, "{}", files.len());
    with_database(|pool| async move {
        let mut stored = 0;
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            match inspect(&bytes[..], &ImportOptions::new("test")) {
                Ok(found) if found.documents > 0 => {
                    let report = import(&pool, bytes).await.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    assert_eq!(report.tasks, found.tasks, "{}", path.display());
                    stored += 1;
                }
                Ok(found) => assert_eq!(found.quarantined, found.tasks, "{}", path.display()),
                Err(error) => assert!(CODES.contains(&error.code()), "{}: {error}", path.display()),
            }
        }
        assert!(stored > 10, "{stored}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_leave_the_database_whole() {
    with_database(|pool| async move {
        for number in 20_000..20_250 {
            let rows =
                "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM document_texts) + (SELECT count(*) FROM annotation_events)
                               + (SELECT count(*) FROM annotations) + (SELECT count(*) FROM extractions) + (SELECT count(*) FROM imports)";
            let before = count(&pool, rows).await;
            match import(&pool, variant(number)).await {
                Ok(report) => assert!(report.documents_created + report.quarantined <= report.tasks, "{number}: {report:?}"),
                Err(error) => {
                    assert!(CODES.contains(&error.code()), "{number}: {error}");
                    assert_eq!(count(&pool, rows).await, before, "{number} left something behind");
                }
            }
        }
        // what went in holds together
        assert_eq!(
            count(&pool, "SELECT count(*) FROM documents d WHERE NOT EXISTS (SELECT FROM document_texts t WHERE t.document_id = d.id)")
                .await,
            0
        );
        assert_eq!(
            count(&pool, "SELECT count(*) FROM documents d WHERE NOT EXISTS (SELECT FROM document_splits s WHERE s.document_id = d.id)")
                .await,
            0
        );
        let lost = "SELECT count(*) FROM annotation_events e
                    WHERE NOT EXISTS (SELECT FROM annotations a WHERE a.document_id = e.document_id AND a.field = e.field)";
        assert_eq!(count(&pool, lost).await, 0);
        assert!(count(&pool, "SELECT count(*) FROM documents").await > 20);
    })
    .await;
}

/// So many bytes of zeros as gzip, without ever holding them.
fn bomb(head: &[u8], megabytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(head).unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..megabytes {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn bombs_and_endless_streams_end_at_their_bounds() {
    let mut options = ImportOptions::new("test");
    (options.limits.total_bytes, options.limits.task_bytes) = (16 << 20, 4 << 20);
    let refused = |input: &mut dyn Read, what: &str| {
        let started = Instant::now();
        let error = inspect(input, &options).unwrap_err();
        assert!(matches!(error, ImportError::TooLarge { .. }), "{what}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what} took {:?}", started.elapsed());
    };
    refused(&mut &bomb(b"[{\"id\":\"", 60)[..], "a bomb within a string");
    refused(&mut &bomb(b"[", 60)[..], "a bomb of white space");
    refused(&mut b"[".chain(io::repeat(b' ')), "endless white space");
    refused(&mut b"[".chain(io::repeat(b'[')), "endless brackets");
    refused(&mut b"[".chain(io::repeat(b'1')), "an endless number");
    refused(&mut b"[{\"data\":{\"".chain(io::repeat(b'\\')), "endless escapes");
    /// The same element for ever.
    struct Elements(usize);
    impl Read for Elements {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let element = b"{\"id\":1,\"data\":{\"text\":\"a\"}},";
            for byte in buffer.iter_mut() {
                *byte = element[self.0 % element.len()];
                self.0 += 1;
            }
            Ok(buffer.len())
        }
    }
    refused(&mut b"[".chain(Elements(0)), "endless tasks");
}

#[test]
fn what_would_take_many_times_its_size_in_memory_is_quarantined() {
    let options = ImportOptions::new("test");
    let zeros = "0,".repeat(6 << 20);
    let zeros = zeros.trim_end_matches(',');
    let pairs = (0..200_000).map(|number| format!("\"k{number}\":0")).collect::<Vec<_>>().join(",");
    for (task, why) in [
        (format!(r#"{{"id":1,"data":{{"text":"a","x":[{zeros}]}}}}"#), "bytes"),
        (format!(r#"{{"id":1,"data":{{"text":"a",{pairs}}}}}"#), "keys"),
        (format!(r#"{{"id":1,"data":{{"text":"a"}},{pairs}}}"#), "keys"),
        (format!(r#"{{"id":[{zeros}],"data":{{"text":"a"}}}}"#), "bytes"),
        (format!(r#"{{"id":1,"data":{{"text":"a"}},"annotations":[{zeros}]}}"#), "annotations"),
        (format!(r#"{{"id":1,"data":{{"text":"a"}},"predictions":[{zeros}]}}"#), "predictions"),
        (
            format!(
                r#"{{"id":1,"data":{{"text":"a"}},"annotations":[{{"id":1,"updated_at":"2024-01-01","result":[{{"value":{{"x":[{zeros}]}}}}]}}]}}"#
            ),
            "bytes",
        ),
    ] {
        let started = Instant::now();
        let found = inspect(format!("[{task}]").as_bytes(), &options).unwrap();
        assert_eq!(found.quarantined, 1, "{why}");
        assert!(found.quarantined_tasks[0].reason.contains(why), "{why}: {:?}", found.quarantined_tasks[0]);
        assert!(started.elapsed() < Duration::from_secs(10), "{why}: {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_file_leaves_nothing_behind() {
    with_database(|pool| async move {
        let mut options = ImportOptions::new("test");
        options.limits.total_bytes = 300_000;
        let many: Vec<_> = (1..=1_000).map(|id| reviewed(id, &[("law", "Texas")])).collect();
        let error = import_with(&pool, gzip(&file(&many)), &options).await.unwrap_err();
        assert_eq!(error.code(), "too_large");
        assert!(contents(&pool).await.is_empty());
        let mut deep = json!({});
        for _ in 0..200 {
            deep = json!({"a": deep});
        }
        let mut task = reviewed(1, &[("law", "Texas")]);
        task["data"]["deep"] = deep;
        assert_eq!(import(&pool, file(&[task])).await.unwrap().quarantined, 1, "deeper than the parser and the database go");
    })
    .await;
}
