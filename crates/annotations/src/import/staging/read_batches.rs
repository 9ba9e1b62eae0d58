//! Reads a Label Studio file into batches of rows.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use aprendiz_label_studio::{ReadError, ReadOptions, ReadSummary, TaskReader};

use crate::import::staging::batch::Batch;
use crate::import::staging::seen_labels::SeenLabels;
use crate::splits::SplitRatios;

/// Reads the whole file and emits full batches. Stops early, without an error, when `emit` returns `false`.
pub(in crate::import) fn read_batches(
    input: impl Read,
    options: &ReadOptions,
    ratios: SplitRatios,
    bytes_read: Arc<AtomicU64>,
    emit: &mut dyn FnMut(Batch) -> bool,
) -> Result<ReadSummary, ReadError> {
    let mut reader = TaskReader::open(input, options, bytes_read)?;
    let mut batch = Batch::default();
    let mut labels = SeenLabels::default();
    while let Some((task_index, task)) = reader.next()? {
        batch.push_task(task_index, task, ratios, &mut labels);
        if let Some(mut full) = batch.take_full() {
            full.tasks_read = reader.tasks_read();
            if !emit(full) {
                return Ok(reader.into_summary());
            }
        }
    }
    batch.tasks_read = reader.tasks_read();
    emit(batch);
    Ok(reader.into_summary())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_when_the_receiver_is_gone() {
        let task = format!(r#"{{"id":1,"data":{{"text":"{}"}}}}"#, "x".repeat(5 << 20));
        let json = format!("[{}]", vec![task; 5].join(","));
        let mut emitted = 0;
        read_batches(json.as_bytes(), &ReadOptions::default(), SplitRatios::default(), Arc::default(), &mut |_| {
            emitted += 1;
            emitted < 3
        })
        .unwrap();
        assert_eq!(emitted, 3);
    }
}
