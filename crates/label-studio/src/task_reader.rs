//! Streams the tasks of an export: one task in memory at a time.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aprendiz_annotation_types::{MAX_ID_CHARS, QuarantinedTask, truncate_printable};
use serde::de::IgnoredAny;

use crate::error::ReadError;
use crate::error_offset::error_offset;
use crate::input::almost_json::diagnose;
use crate::input::json_array_reader::JsonArrayReader;
use crate::options::ReadOptions;
use crate::parse::problems::{Problems, describe};
use crate::parse::scalars::parse_id_only;
use crate::parse::{Findings, Parser};
use crate::parsed_task::ParsedTask;
use crate::read_summary::ReadSummary;

/// Maximum bytes kept of one quarantined task. The JSON of a larger one is dropped, its reason is kept.
const MAX_KEPT_TASK_BYTES: usize = 1 << 20;
/// Maximum bytes kept of all quarantined tasks of a file.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// Reads the tasks of a JSON or JSON_MIN export, plain or gzip.
pub struct TaskReader<'r> {
    elements: JsonArrayReader<'r>,
    parser: Parser<'r>,
    /// Maximum number of quarantined tasks kept in the summary.
    limit: usize,
    summary: ReadSummary,
    /// A JSON_MIN task, whose further annotations may follow as elements of their own.
    pending: Option<(u64, ParsedTask)>,
    /// A task that was read together with the end of the pending one.
    ready: Option<(u64, ParsedTask)>,
    kept_bytes: usize,
}

impl<'r> TaskReader<'r> {
    /// Opens an export and reads up to the start of the array. `bytes_read` counts the bytes of the input as they are read.
    ///
    /// # Errors
    /// If the input is not a JSON array or cannot be read.
    pub fn open(input: impl Read + 'r, options: &'r ReadOptions, bytes_read: Arc<AtomicU64>) -> Result<Self, ReadError> {
        Ok(Self {
            elements: JsonArrayReader::open(input, options.limits, bytes_read)?,
            parser: Parser::new(options),
            limit: options.limits.quarantined_tasks,
            summary: ReadSummary::default(),
            pending: None,
            ready: None,
            kept_bytes: 0,
        })
    }

    /// Returns the next valid task with its index in the file, or `None` at the end. Invalid tasks are quarantined.
    ///
    /// # Errors
    /// If the file as a whole is invalid or cannot be read.
    #[expect(clippy::should_implement_trait, reason = "fallible, as `next` of other readers here")]
    pub fn next(&mut self) -> Result<Option<(u64, ParsedTask)>, ReadError> {
        let task = self.next_task()?;
        if let Some((_, task)) = &task {
            self.parser.note_latest(task);
        }
        Ok(task)
    }

    fn next_task(&mut self) -> Result<Option<(u64, ParsedTask)>, ReadError> {
        if let Some(task) = self.ready.take() {
            return Ok(Some(task));
        }
        while let Some(element) = self.elements.next()? {
            let task_index = self.summary.tasks;
            self.summary.tasks += 1;
            let parsed = match std::str::from_utf8(element) {
                Ok(raw) => self.parser.parse(task_index, raw),
                Err(error) => Err(QuarantinedTask {
                    task_index,
                    task_id: None,
                    reason: format!("invalid UTF-8 at byte {} of the task: export it again, or convert the file", error.valid_up_to()),
                    json: None,
                }),
            };
            let parsed = match (parsed, std::str::from_utf8(element)) {
                (Err(task), Ok(raw)) => match serde_json::from_str::<IgnoredAny>(raw) {
                    Ok(_) => Err(task),
                    Err(error) => {
                        let Some(parsed) = read_malformed(&mut self.parser, task_index, raw, &error) else {
                            // the end of a task whose brackets do not match is unknown, and so is all that follows
                            let (bytes, offset) = (element.len(), error_offset(&error, element));
                            return Err(self.elements.malformed(bytes, error, offset));
                        };
                        parsed
                    }
                },
                (parsed, _) => parsed,
            };
            match parsed {
                Ok(task) => {
                    if let Some(task) = self.merge_json_min(task_index, task) {
                        return Ok(Some(task));
                    }
                }
                Err(task) => quarantine(&mut self.summary, &mut self.kept_bytes, self.limit, task, element),
            }
        }
        Ok(self.pending.take())
    }

    /// Number of tasks read so far, valid and quarantined.
    #[must_use]
    pub const fn tasks_read(&self) -> u64 {
        self.summary.tasks
    }

    /// The summary of what was read so far.
    #[must_use]
    pub fn into_summary(self) -> ReadSummary {
        let Findings { ignored, unknown_controls, unknown_keys, notes, field_names } = self.parser.into_findings();
        ReadSummary {
            ignored,
            unknown_controls: unknown_controls.into_counts(),
            unknown_keys: unknown_keys.into_counts(),
            renamed_fields: field_names.renamed,
            unusable_names: field_names.unusable,
            notes: notes.into_groups(),
            ..self.summary
        }
    }

    /// Merges consecutive JSON_MIN elements of one task. Returns a task that is complete.
    fn merge_json_min(&mut self, task_index: u64, task: ParsedTask) -> Option<(u64, ParsedTask)> {
        if !task.is_json_min {
            let Some(pending) = self.pending.take() else {
                return Some((task_index, task));
            };
            self.ready = Some((task_index, task));
            return Some(pending);
        }
        if let Some((_, pending)) = &mut self.pending
            && pending.is_continued_by(&task)
        {
            pending.reviews.extend(task.reviews);
            self.summary.json_min_continued += 1;
            return None;
        }
        self.pending.replace((task_index, task))
    }
}

/// Reads a task that is no valid JSON but has one meaning; of any other, explains all reasons to quarantine it. `None` if its brackets do not
/// match.
fn read_malformed(
    parser: &mut Parser<'_>,
    task_index: u64,
    raw: &str,
    error: &serde_json::Error,
) -> Option<Result<ParsedTask, QuarantinedTask>> {
    let stop = error_offset(error, raw.as_bytes());
    let diagnosis = diagnose(raw, stop)?;
    if let Some(repairs) = diagnosis.repairs()
        && let Ok(task) = parser.parse(task_index, &diagnosis.repaired)
    {
        parser.note_repairs(&task, &repairs);
        return Some(Ok(task));
    }
    let mut problems = Problems::default();
    diagnosis.reasons().for_each(|reason| problems.reject(reason));
    if problems.reason().is_none() {
        problems.reject(format!("`{}`: malformed JSON at byte {stop} of the task: {}", diagnosis.stopped_at, describe(error)));
    }
    // with a parser of its own, because nothing of this task counts
    let mut task_id = diagnosis.id.and_then(|id| parse_id_only(&format!("{{\"id\":{id}}}")));
    match Parser::new(parser.options()).parse(task_index, &diagnosis.repaired) {
        Ok(task) => task_id = Some(truncate_printable(&task.task_id, MAX_ID_CHARS)),
        Err(task) if serde_json::from_str::<IgnoredAny>(&diagnosis.repaired).is_ok() => {
            task_id = task.task_id;
            problems.reject(task.reason);
        }
        Err(_) => {}
    }
    problems.reason().map(|reason| Err(QuarantinedTask { task_index, task_id, reason, json: None }))
}

/// Counts a quarantined task, and keeps it with its JSON within the limits.
fn quarantine(summary: &mut ReadSummary, kept_bytes: &mut usize, limit: usize, mut task: QuarantinedTask, element: &[u8]) {
    summary.quarantined += 1;
    if summary.quarantined_tasks.len() >= limit {
        return;
    }
    if element.len() <= MAX_KEPT_TASK_BYTES
        && *kept_bytes + element.len() <= MAX_KEPT_BYTES
        && let Ok(json) = std::str::from_utf8(element)
    {
        // the database rejects the character itself
        let json = json.replace('\0', "\\u0000");
        task.json = (json.len() <= MAX_KEPT_TASK_BYTES && *kept_bytes + json.len() <= MAX_KEPT_BYTES).then_some(json);
    }
    *kept_bytes += task.json.as_ref().map_or(0, String::len);
    summary.quarantined_tasks.push(task);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(input: impl Read, options: &ReadOptions) -> Result<(ReadSummary, usize), ReadError> {
        let mut reader = TaskReader::open(input, options, Arc::default())?;
        let mut tasks = 0;
        while reader.next()?.is_some() {
            tasks += 1;
        }
        Ok((reader.into_summary(), tasks))
    }

    fn read(json: &str) -> Result<ReadSummary, ReadError> {
        read_with(json.as_bytes(), &ReadOptions::default()).map(|(summary, _)| summary)
    }

    #[test]
    fn malformed_json_is_located_by_byte_and_task() {
        let good = r#"{"id":1,"data":{"text":"a"}}"#;
        let location = |error: &ReadError| {
            let ReadError::InvalidJson { byte_offset, task_index, .. } = error else { panic!("{error}") };
            (*byte_offset, *task_index)
        };
        let error = read(&format!("[{good},{good}, }}]")).unwrap_err();
        assert_eq!(location(&error), (2 * good.len() as u64 + 4, 2));
        // its brackets match, so that it costs only itself
        let summary = read(&format!("[{good},\n{{\"id\":2,\n\"data\" 5}},{good}]")).unwrap();
        assert_eq!((summary.tasks, summary.quarantined), (3, 1));
        let task = &summary.quarantined_tasks[0];
        assert_eq!((task.task_index, task.task_id.as_deref()), (1, Some("2")));
        assert_eq!(task.reason, "`data`: malformed JSON at byte 16 of the task: expected `:`");
    }

    #[test]
    fn a_file_that_ends_too_early_is_truncated() {
        for json in ["[", "[{\"id\"", "[{}", "[{},"] {
            assert_eq!(read(json).unwrap_err().code(), "truncated", "{json}");
        }
    }

    #[test]
    fn content_after_the_array_is_malformed() {
        assert_eq!(read("[] []").unwrap_err().code(), "invalid_json");
        assert_eq!(read("[{}] x").unwrap_err().code(), "invalid_json");
    }

    #[test]
    fn mismatched_brackets_are_malformed() {
        for json in ["[{\"a\":[1}, {}]", "[{]}]", "[{}}]", "[[}]", "[{},]", "[,{}]"] {
            assert_eq!(read(json).unwrap_err().code(), "invalid_json", "{json}");
        }
    }

    #[test]
    fn an_empty_array_has_no_tasks() {
        assert_eq!(read(" [ ] ").unwrap().tasks, 0);
    }

    #[test]
    fn a_task_over_the_limit_fails_before_it_is_in_memory() {
        let mut options = ReadOptions::default();
        options.limits.task_bytes = 1000;
        let endless = b"[{}, {\"a\": \"".chain(std::io::repeat(b'x'));
        let error = read_with(endless, &options).unwrap_err();
        assert!(matches!(error, ReadError::TooLarge { task_index: 1, limit: 1000, .. }), "{error}");
    }

    #[test]
    fn an_extra_quote_is_malformed_even_if_it_makes_the_task_endless() {
        let mut options = ReadOptions::default();
        options.limits.task_bytes = 10_000;
        let task = r#"{"id":1,"data":{"text":"a"}},"#;
        let file = format!("[{task}{{\"id\":2,\"x\":[\"\"\"],{}1]", task.repeat(1_000));
        let error = read_with(file.as_bytes(), &options).unwrap_err();
        assert!(matches!(error, ReadError::InvalidJson { task_index: 1, .. }), "{error}");
    }

    #[test]
    fn a_deeply_nested_task_is_quarantined() {
        let depth = 100_000;
        let bomb = format!(r#"{{"id":1,"data":{{"text":"a","x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
        let summary = read(&format!("[{bomb}]")).unwrap();
        assert_eq!(summary.quarantined, 1);
        let task = &summary.quarantined_tasks[0];
        assert!(task.reason.contains("recursion"), "{task:?}");
        assert!(task.json.is_some(), "a small task is kept as it came");
    }

    #[test]
    fn a_nul_byte_is_kept_as_an_escape_sequence() {
        let summary = read("[{\"id\":1,\"data\":{\"text\":\"a\0b\"}},{\"id\":2,\0\"data\":{\"text\":\"b\"}}]").unwrap();
        assert_eq!(summary.quarantined, 2);
        for task in &summary.quarantined_tasks {
            let json = task.json.as_deref().unwrap();
            assert!(json.contains("\\u0000") && !json.contains('\0') && !task.reason.contains('\0'), "{task:?}");
        }
    }

    #[test]
    fn a_task_with_invalid_utf8_is_quarantined_and_the_rest_is_read() {
        let mut file = br#"[{"id":1,"data":{"text":"caf"#.to_vec();
        file.extend_from_slice(b"\xe9\"}},{\"id\":2,\"data\":{\"text\":\"a\"}}]");
        let (summary, tasks) = read_with(&file[..], &ReadOptions::default()).unwrap();
        assert_eq!((tasks, summary.quarantined), (1, 1));
        assert!(summary.quarantined_tasks[0].reason.contains("UTF-8"));
    }
}
