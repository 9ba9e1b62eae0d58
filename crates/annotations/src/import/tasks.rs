//! Streams the tasks of an export: one task in memory at a time, and its place when something is wrong.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::de::IgnoredAny;

use crate::import::batch::Batch;
use crate::import::error::ImportError;
use crate::import::input::{Elements, place_of};
use crate::import::options::ImportOptions;
use crate::import::parse::Parser;
use crate::import::parsed::{BadTask, Ignored, ParsedTask};
use crate::import::report::Quarantined;

/// Bytes of one quarantined task that are kept, and of all of them together: more than that, and only the reason is.
const KEPT_TASK_BYTES: usize = 1 << 20;
const KEPT_BYTES: usize = 8 << 20;

/// A task that was not taken in, with its JSON where that is kept.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) task: Quarantined,
    pub(super) json: Option<String>,
}

/// What reading found, beside the batches.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Tasks in the file, good and bad.
    pub(super) tasks: u64,
    /// Tasks that could not be taken in.
    pub(super) quarantined: u64,
    /// The first of them, up to the bound of the options.
    pub(super) quarantined_tasks: Vec<Refused>,
    /// What was left out of good tasks.
    pub(super) ignored: Ignored,
    /// Result items of unknown types, by type.
    pub(super) unknown_controls: BTreeMap<String, u64>,
    /// Keys of answers that are not read, by place and name.
    pub(super) unknown_keys: BTreeMap<String, u64>,
}

/// Reads the whole file and hands over full batches; stops early, without an error, when `emit` says that nobody listens.
pub(super) fn read_tasks(
    input: impl Read,
    options: &ImportOptions,
    bytes_read: Arc<AtomicU64>,
    emit: &mut dyn FnMut(Batch) -> bool,
) -> Result<Outcome, ImportError> {
    let mut elements = Elements::open(input, options.limits, bytes_read)?;
    let mut reader = TaskReader {
        parser: Parser::new(options),
        limit: options.limits.quarantine_rows,
        batch: Batch::default(),
        outcome: Outcome::default(),
        pending: None,
        kept_bytes: 0,
        abandoned: false,
        emit,
    };
    while let Some(element) = elements.next()? {
        if let Err((error, place)) = reader.take(element) {
            let bytes = element.len();
            return Err(elements.malformed(bytes, error, place));
        }
        if reader.abandoned {
            return Ok(reader.outcome);
        }
    }
    reader.settle_pending();
    let rest = std::mem::take(&mut reader.batch);
    reader.hand_over(rest);
    let (ignored, unknown_controls, unknown_keys) = reader.parser.into_findings();
    Ok(Outcome { ignored, unknown_controls, unknown_keys, ..reader.outcome })
}

struct TaskReader<'a> {
    parser: Parser<'a>,
    limit: usize,
    batch: Batch,
    outcome: Outcome,
    /// A task of a JSON_MIN export, whose further annotations may follow as elements of their own.
    pending: Option<(u64, ParsedTask)>,
    kept_bytes: usize,
    abandoned: bool,
    emit: &'a mut dyn FnMut(Batch) -> bool,
}

impl TaskReader<'_> {
    /// Fails with the error and its place in the element when that is no JSON.
    fn take(&mut self, element: &[u8]) -> Result<(), (serde_json::Error, usize)> {
        let task_index = self.outcome.tasks;
        self.outcome.tasks += 1;
        let parsed = match std::str::from_utf8(element) {
            Ok(raw) => self.parser.parse(raw),
            Err(error) => Err(BadTask {
                task_id: None,
                reason: format!("it is not UTF-8 from byte {} of the task on: export it again, or convert the file", error.valid_up_to()),
            }),
        };
        match parsed {
            Ok(task) => self.push(task_index, task),
            Err(bad) => {
                // a bad task is one thing, a broken file another
                if let Err(error) = serde_json::from_slice::<IgnoredAny>(element)
                    && std::str::from_utf8(element).is_ok()
                {
                    let place = place_of(&error, element);
                    return Err((error, place));
                }
                self.refuse(task_index, bad, element);
            }
        }
        if let Some(full) = self.batch.take_full() {
            self.hand_over(full);
        }
        Ok(())
    }

    fn push(&mut self, task_index: u64, task: ParsedTask) {
        if let Some((_, pending)) = &mut self.pending
            && task.is_flat
            && pending.is_same_document(&task)
        {
            pending.reviews.extend(task.reviews);
            return;
        }
        self.settle_pending();
        if task.is_flat {
            self.pending = Some((task_index, task));
        } else {
            self.batch.push(task_index, task);
        }
    }

    fn settle_pending(&mut self) {
        if let Some((task_index, task)) = self.pending.take() {
            self.batch.push(task_index, task);
        }
    }

    fn refuse(&mut self, task_index: u64, bad: BadTask, element: &[u8]) {
        self.outcome.quarantined += 1;
        if self.outcome.quarantined_tasks.len() >= self.limit {
            return;
        }
        let keep = element.len() <= KEPT_TASK_BYTES && self.kept_bytes + element.len() <= KEPT_BYTES;
        let json = if keep { String::from_utf8(element.to_vec()).ok() } else { None };
        self.kept_bytes += json.as_ref().map_or(0, String::len);
        let task = Quarantined { task_index, task_id: bad.task_id, reason: bad.reason };
        self.outcome.quarantined_tasks.push(Refused { task, json });
    }

    fn hand_over(&mut self, mut batch: Batch) {
        batch.tasks_read = self.outcome.tasks;
        self.abandoned |= !(self.emit)(batch);
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
        let place = |error: &ImportError| {
            let ImportError::InvalidJson { byte_offset, task_index, .. } = error else { panic!("{error}") };
            (*byte_offset, *task_index)
        };
        let error = read(&format!("[{good},{good}, }}]")).unwrap_err();
        assert_eq!(place(&error), (2 * good.len() as u64 + 4, 2));
        let error = read(&format!("[{good},\n{{\"id\":1,\n\"data\" 5}}]")).unwrap_err();
        assert_eq!(place(&error), (good.len() as u64 + 3 + 8 + 1 + 7, 1), "{error}");
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
    fn brackets_that_do_not_fit_together_are_malformed_wherever_they_close() {
        for json in ["[{\"a\":[1}, {}]", "[{]}]", "[{}}]", "[[}]", "[{},]", "[,{}]"] {
            assert_eq!(read(json).unwrap_err().code(), "invalid_json", "{json}");
        }
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
    fn a_quote_too_many_is_told_even_where_it_seems_to_make_a_task_endless() {
        let mut options = ImportOptions::new("test");
        options.limits.task_bytes = 10_000;
        let task = r#"{"id":1,"data":{"text":"a"}},"#;
        let file = format!("[{task}{{\"id\":2,\"x\":[\"\"\"],{}1]", task.repeat(1_000));
        let error = read_tasks(file.as_bytes(), &options, Arc::default(), &mut |_| true).unwrap_err();
        assert!(matches!(error, ImportError::InvalidJson { task_index: 1, .. }), "{error}");
    }

    #[test]
    fn a_deep_task_is_quarantined_and_does_no_harm() {
        let depth = 100_000;
        let bomb = format!(r#"{{"id":1,"data":{{"text":"a","x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
        let (outcome, _) = read(&format!("[{bomb}]")).unwrap();
        assert_eq!(outcome.quarantined, 1);
        let refused = &outcome.quarantined_tasks[0];
        assert!(refused.task.reason.contains("recursion"), "{refused:?}");
        assert!(refused.json.is_some(), "a small task is kept as it came");
    }

    #[test]
    fn a_task_that_is_not_utf8_is_quarantined_and_the_rest_goes_in() {
        let mut file = br#"[{"id":1,"data":{"text":"caf"#.to_vec();
        file.extend_from_slice(b"\xe9\"}},{\"id\":2,\"data\":{\"text\":\"a\"}}]");
        let mut tasks = 0;
        let outcome = read_tasks(&file[..], &ImportOptions::new("test"), Arc::default(), &mut |batch| {
            tasks += batch.tasks.count();
            true
        })
        .unwrap();
        assert_eq!((tasks, outcome.quarantined), (1, 1));
        assert!(outcome.quarantined_tasks[0].task.reason.contains("UTF-8"));
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
