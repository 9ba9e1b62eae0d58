//! Malformed and malicious files end in a summary or a clear error, never in a panic.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use aprendiz_label_studio::{ReadError, ReadOptions, inspect};

use crate::variants::variant;

/// Error codes of invalid files.
const CODES: [&str; 5] = ["invalid_json", "truncated", "damaged_gzip", "not_an_array", "too_large"];

#[test]
fn ten_thousand_variants_are_read_or_rejected_with_a_reason() {
    let mut options = ReadOptions::default();
    options.limits.total_bytes = 32 << 20;
    let (mut read, mut rejected, mut quarantined) = (0, 0, 0);
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
                rejected += 1;
                assert!(CODES.contains(&error.code()) && error.is_client_fault(), "{number}: {error}");
            }
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{number} took {:?}", started.elapsed());
    }
    // each outcome must be frequent, or the generator is broken
    assert!(read > 4_000 && rejected > 1_000 && quarantined > 2_000, "{read} read, {rejected} rejected, {quarantined} tasks quarantined");
}

/// Megabytes of spaces as gzip, without holding them in memory.
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
fn bombs_and_endless_streams_end_at_their_limits() {
    let mut options = ReadOptions::default();
    (options.limits.total_bytes, options.limits.task_bytes) = (16 << 20, 4 << 20);
    let rejected = |input: &mut dyn Read, what: &str| {
        let started = Instant::now();
        let error = inspect(input, &options).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { .. }), "{what}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what} took {:?}", started.elapsed());
    };
    rejected(&mut &bomb(b"[{\"id\":\"", 60)[..], "a bomb within a string");
    rejected(&mut &bomb(b"[", 60)[..], "a bomb of white space");
    rejected(&mut b"[".chain(io::repeat(b' ')), "endless white space");
    rejected(&mut b"[".chain(io::repeat(b'[')), "endless brackets");
    rejected(&mut b"[".chain(io::repeat(b'1')), "an endless number");
    rejected(&mut b"[{\"data\":{\"".chain(io::repeat(b'\\')), "endless escapes");
    /// An endless sequence of one element.
    struct EndlessElements(usize);
    impl Read for EndlessElements {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let element = b"{\"id\":1,\"data\":{\"text\":\"a\"}},";
            for byte in buffer.iter_mut() {
                *byte = element[self.0 % element.len()];
                self.0 += 1;
            }
            Ok(buffer.len())
        }
    }
    rejected(&mut b"[".chain(EndlessElements(0)), "endless tasks");
}

#[test]
fn tasks_that_would_take_many_times_their_size_in_memory_are_quarantined() {
    let options = ReadOptions::default();
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
