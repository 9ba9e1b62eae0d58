//! From a selection to a directory of files, top to bottom.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;

use futures::TryStreamExt;
use serde::Serialize;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::card::Card;
use crate::census::{Census, count_documents};
use crate::error::DatasetError;
use crate::key::{Identity, effective_position};
use crate::label::{FieldCounts, Labels, count_labels};
use crate::leak::check_leaks;
use crate::manifest::Manifest;
use crate::row::stream_examples;
use crate::selection::Selection;
use crate::snapshot::{FileEntry, Snapshot};
use crate::stratification::{Stratification, stratify};
use crate::write::{HashedFile, WriterThread, Written};

/// Examples between two reports of progress.
const PROGRESS_EVERY: u64 = 32;

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildProgress {
    pub examples_written: u64,
    pub examples_total: u64,
}

/// Builds the snapshot into `dir`, which is created; files of an unfinished build there are overwritten.
///
/// Indexes texts that have no sketch yet, which on a database of today are none; then
/// reads in one transaction, REPEATABLE READ and READ ONLY; `conn` must not be in one. The tables are append-only and
/// only what has a position up to the selection's is read, so a later build gives the same rows in any case; the
/// transaction makes counts and rows agree without relying on that.
///
/// Memory holds a few documents and one compressed row group, however many rows there are.
///
/// `cancel` is obeyed at once, also while the server still works, and so is dropping the future. The connection is then
/// in the middle of an answer: close it, for its next statement would first read that answer to its end.
pub async fn build(
    conn: &mut PgConnection,
    selection: &Selection,
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
    cancel: &CancellationToken,
) -> Result<Snapshot, DatasetError> {
    match cancel.run_until_cancelled(build_uncancelled(conn, selection, dir, progress)).await {
        Some(result) => result,
        None => Err(DatasetError::Cancelled),
    }
}

async fn build_uncancelled(
    conn: &mut PgConnection,
    selection: &Selection,
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
) -> Result<Snapshot, DatasetError> {
    // texts that came past the importer would hide from the leak gate
    annotations::near_duplicates::sketch_missing(conn).await?;
    let mut transaction = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let census = count_documents(&mut transaction, selection).await?;
    if census.examples.total() == 0 {
        return Err(no_examples(selection, &census));
    }
    check_leaks(&mut transaction, selection).await?;
    let effective_position = effective_position(&mut transaction, selection).await?;
    let field_counts = count_labels(&mut transaction, selection).await?;
    let written = write_examples(&mut transaction, selection, dir, census.examples.total().unsigned_abs(), progress).await?;
    transaction.commit().await?;

    let labels = Labels::decide(selection, &field_counts);
    let stratification = stratify(&field_counts, &labels);
    let counts = counts(&census, &field_counts, &labels, &stratification);
    let trainable_fields = labels.fields.keys().cloned().collect();
    let left_out = labels.left_out.clone();
    let examples = written.sizes.iter().map(|size| size.examples).sum();
    let canonical_hash = written.canonical_hash.clone();
    let files = describe(dir, selection, effective_position, written, labels, stratification).await?;
    Ok(Snapshot { canonical_hash, effective_position, examples, counts, files, trainable_fields, left_out })
}

/// Streams the examples to the writer thread.
async fn write_examples(
    conn: &mut PgConnection,
    selection: &Selection,
    dir: &Path,
    examples_total: u64,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
) -> Result<Written, DatasetError> {
    let writer = WriterThread::start(dir, selection);
    let mut examples = pin!(stream_examples(conn, selection));
    let mut examples_written = 0;
    progress(BuildProgress { examples_written, examples_total });
    while let Some(example) = examples.try_next().await? {
        if !writer.write(example).await {
            break; // the writer has failed; finish tells why
        }
        examples_written += 1;
        if examples_written % PROGRESS_EVERY == 0 || examples_written == examples_total {
            progress(BuildProgress { examples_written, examples_total });
        }
    }
    writer.finish().await
}

/// Writes the small files that describe the others, the manifest last.
async fn describe(
    dir: &Path,
    selection: &Selection,
    effective_position: i64,
    written: Written,
    labels: Labels,
    stratification: BTreeMap<String, Stratification>,
) -> Result<Vec<FileEntry>, DatasetError> {
    let (dir, selection) = (dir.to_owned(), selection.clone());
    let describing = tokio::task::spawn_blocking(move || {
        let Written { canonical_hash, mut files, sizes } = written;
        let card = Card {
            selection: &selection,
            effective_position,
            canonical_hash: &canonical_hash,
            sizes: &sizes,
            labels: &labels,
            stratification: &stratification,
        };
        files.push(HashedFile::write_whole(&dir, "labels.json", &json_file(&labels))?);
        files.push(HashedFile::write_whole(&dir, "README.md", card.to_string().as_bytes())?);
        let examples = sizes.iter().map(|size| size.examples).sum();
        let manifest = Manifest::new(&canonical_hash, examples, Identity::new(&selection, effective_position), &files);
        let manifest = HashedFile::write_whole(&dir, "manifest.json", &json_file(&manifest))?;
        files.push(manifest);
        Ok(files)
    });
    match describing.await {
        Ok(files) => files,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(DatasetError::Cancelled), // only a runtime that shuts down cancels it
        },
    }
}

fn json_file(content: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(content).expect("names and numbers always serialise");
    json.push(b'\n');
    json
}

/// What the row of the snapshot keeps.
fn counts(
    census: &Census,
    field_counts: &BTreeMap<String, FieldCounts>,
    labels: &Labels,
    stratification: &BTreeMap<String, Stratification>,
) -> serde_json::Value {
    let fields: serde_json::Map<_, _> = field_counts
        .iter()
        .map(|(field, counts)| {
            let per_label: Vec<_> = counts
                .labels
                .iter()
                .map(|(label, count)| json!({ "label": label, "train": count.train, "validation": count.validation, "test": count.test }))
                .collect();
            let excluded = labels.fields.get(field).map_or(&[][..], |trainable| &trainable.excluded);
            let counts = json!({
                "reviewed": counts.reviewed,
                "several_values": counts.several_values,
                "labels": per_label,
                "excluded": excluded,
            });
            (field.clone(), counts)
        })
        .collect();
    json!({
        "splits": census.examples,
        "fields": fields,
        "stratification": stratification,
        "trainable_fields": labels.fields.keys().collect::<Vec<_>>(),
        "left_out": labels.left_out,
        "excluded_documents": census.excluded,
    })
}

fn no_examples(selection: &Selection, census: &Census) -> DatasetError {
    let documents = selection.describe();
    let fields = selection.fields.join(", ");
    let position = selection.position;
    let excluded = census.describe_excluded();
    DatasetError::NoExamples {
        looked_for: format!("none of {documents} has an accepted value for {fields} up to position {position} ({excluded})"),
    }
}
