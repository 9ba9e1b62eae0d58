//! Streams the tasks of an export: one task in memory at a time, and its place when something is wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::Deserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::import::batch::Batch;
use crate::import::error::ImportError;
use crate::import::input::{Input, Place};
use crate::import::options::ImportOptions;
use crate::import::parse::{Ignored, Parser};
use crate::import::report::Quarantined;

/// What reading found, beside the batches.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Tasks in the file, good and bad.
    pub(super) tasks: u64,
    /// Tasks that could not be taken in.
    pub(super) quarantined: u64,
    /// The first of them, up to the bound of the options.
    pub(super) quarantined_tasks: Vec<Quarantined>,
    /// What was left out of good tasks.
    pub(super) ignored: Ignored,
    /// Result items of unknown types, by type.
    pub(super) unknown_controls: BTreeMap<String, u64>,
}

/// Reads the whole file and hands over full batches; stops early, without an error, when `emit` says that nobody listens.
pub(super) fn read_tasks(
    input: impl Read,
    options: &ImportOptions,
    bytes_read: Arc<AtomicU64>,
    emit: &mut dyn FnMut(Batch) -> bool,
) -> Result<Outcome, ImportError> {
    let place = Rc::new(Place::default());
    let input = Input::open(input, options.limits, bytes_read, Rc::clone(&place))?;
    let mut reader = TaskReader {
        place: &place,
        parser: Parser::new(options),
        limit: options.limits.quarantine_rows,
        batch: Batch::default(),
        outcome: Outcome::default(),
        abandoned: false,
        emit,
    };
    let mut json = serde_json::Deserializer::from_reader(input);
    let parsed = json.deserialize_seq(&mut reader).and_then(|()| json.end());
    if reader.abandoned {
        return Ok(reader.outcome);
    }
    parsed.map_err(|error| reason(error, &place))?;
    reader.flush();
    let (ignored, unknown_controls) = reader.parser.into_findings();
    Ok(Outcome { ignored, unknown_controls, ..reader.outcome })
}

fn reason(error: serde_json::Error, place: &Place) -> ImportError {
    if let Some(fault) = place.take_fault() {
        return fault;
    }
    let (read, task_index) = (place.offset.get(), place.task_index.get());
    match error.classify() {
        Category::Eof => ImportError::Truncated { what: "JSON", byte_offset: read, task_index },
        // the parser stops right after the byte that it did not expect
        Category::Io | Category::Syntax | Category::Data => {
            ImportError::InvalidJson { byte_offset: read.saturating_sub(1), task_index, source: error }
        }
    }
}

struct TaskReader<'a> {
    place: &'a Place,
    parser: Parser<'a>,
    limit: usize,
    batch: Batch,
    outcome: Outcome,
    abandoned: bool,
    emit: &'a mut dyn FnMut(Batch) -> bool,
}

impl TaskReader<'_> {
    fn take(&mut self, raw: &str) {
        let task_index = self.outcome.tasks;
        self.outcome.tasks += 1;
        match self.parser.parse(raw) {
            Ok(task) => self.batch.push(task_index, task),
            Err(bad) => {
                self.outcome.quarantined += 1;
                if self.outcome.quarantined_tasks.len() < self.limit {
                    self.outcome.quarantined_tasks.push(Quarantined { task_index, task_id: bad.task_id, reason: bad.reason });
                }
            }
        }
        if self.batch.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.batch.tasks_read = self.outcome.tasks;
        self.abandoned |= !(self.emit)(std::mem::take(&mut self.batch));
    }
}

impl<'de> Visitor<'de> for &mut TaskReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of tasks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        loop {
            self.place.task_index.set(self.outcome.tasks);
            self.place.task_start.set(self.place.offset.get());
            let Some(raw) = sequence.next_element::<Box<RawValue>>()? else {
                return Ok(());
            };
            self.take(raw.get());
            if self.abandoned {
                return Err(A::Error::custom("nobody listens any more"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(Outcome, usize), ImportError> {
        let mut batches = Vec::new();
        let outcome = read_tasks(json.as_bytes(), &ImportOptions::new("test"), Arc::default(), &mut |batch| {
            batches.push(batch);
            true
        })?;
        Ok((outcome, batches.len()))
    }

    #[test]
    fn malformed_json_is_placed_by_byte_and_task() {
        let good = r#"{"id":1,"data":{"text":"a"}}"#;
        let error = read(&format!("[{good},{good}, }}]")).unwrap_err();
        let ImportError::InvalidJson { byte_offset, task_index, .. } = &error else { panic!("{error}") };
        assert_eq!((*byte_offset, *task_index), (2 * good.len() as u64 + 4, 2));
    }

    #[test]
    fn a_file_that_ends_too_early_is_truncated() {
        for json in ["[", "[{\"id\"", "[{}", "[{},"] {
            assert_eq!(read(json).unwrap_err().code(), "truncated", "{json}");
        }
    }

    #[test]
    fn something_after_the_array_is_malformed() {
        assert_eq!(read("[] []").unwrap_err().code(), "invalid_json");
        assert_eq!(read("[{}] x").unwrap_err().code(), "invalid_json");
    }

    #[test]
    fn an_empty_array_has_no_tasks() {
        let (outcome, _) = read(" [ ] ").unwrap();
        assert_eq!(outcome.tasks, 0);
    }

    #[test]
    fn a_task_over_the_bound_fails_before_it_is_in_memory() {
        let mut options = ImportOptions::new("test");
        options.limits.task_bytes = 1000;
        let endless = b"[{}, {\"a\": \"".chain(std::io::repeat(b'x'));
        let error = read_tasks(endless, &options, Arc::default(), &mut |_| true).unwrap_err();
        assert!(matches!(error, ImportError::TooLarge { task_index: 1, limit: 1000, .. }), "{error}");
    }

    #[test]
    fn a_deep_task_is_quarantined_and_does_no_harm() {
        let depth = 1_000_000;
        let bomb = format!(r#"{{"id":1,"data":{{"text":"a","x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
        let (outcome, _) = read(&format!("[{bomb}]")).unwrap();
        assert_eq!(outcome.quarantined, 1);
        assert!(outcome.quarantined_tasks[0].reason.contains("recursion"), "{:?}", outcome.quarantined_tasks);
    }

    #[test]
    fn reading_stops_when_nobody_listens() {
        let task = format!(r#"{{"id":1,"data":{{"text":"{}"}}}}"#, "x".repeat(5 << 20));
        let json = format!("[{}]", vec![task; 5].join(","));
        let mut handed_over = 0;
        read_tasks(json.as_bytes(), &ImportOptions::new("test"), Arc::default(), &mut |_| {
            handed_over += 1;
            handed_over < 3
        })
        .unwrap();
        assert_eq!(handed_over, 3);
    }
}
