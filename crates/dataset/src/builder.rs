//! From a selection to a directory of files, top to bottom.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::card::Card;
use crate::error::DatasetError;
use crate::key::{Extent, Identity, extent};
use crate::label::{FieldCounts, Labels};
use crate::leak::check_leaks;
use crate::manifest::Manifest;
use crate::pairs::{draw, write_pairs};
use crate::read;
use crate::selection::Selection;
use crate::snapshot::{Format, Snapshot};
use crate::stratification::stratify;
use crate::tally::Tally;
use crate::write::{HashedFile, SplitSize, Written, write};

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildProgress {
    pub documents_read: u64,
    pub documents_total: u64,
}

/// Builds the snapshot into `dir`, which is created; files of an unfinished build there are overwritten.
///
/// Reads on two connections that it opens; on a third one it indexes texts that have no sketch yet, which on a database of today
/// are none, and looks for leaks. They need no common transaction: only what has a position up to the selection's is read, which never changes, apart from an
/// erasure, and about that the recording of the snapshot asks.
///
/// Memory holds a few hundred documents and one compressed row group per split, however many rows there are.
///
/// `cancel` is obeyed at once, also while the server still works, and so is dropping the future: the connections are closed.
pub async fn build(
    database: &PgConnectOptions,
    selection: &Selection,
    formats: &[Format],
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
    cancel: &CancellationToken,
) -> Result<Snapshot, DatasetError> {
    match cancel.run_until_cancelled(build_uncancelled(database, selection, formats, dir, progress)).await {
        Some(result) => result,
        None => Err(DatasetError::Cancelled),
    }
}

async fn build_uncancelled(
    database: &PgConnectOptions,
    selection: &Selection,
    formats: &[Format],
    dir: &Path,
    progress: &mut (dyn FnMut(BuildProgress) + Send),
) -> Result<Snapshot, DatasetError> {
    let mut conn = database.connect().await?;
    let extent = extent(&mut conn, selection).await?;
    let documents_total = count_documents(&mut conn, selection).await?.unsigned_abs();
    let mut gate = JoinSet::new();
    gate.spawn(pass_gate(database.clone(), selection.clone()));
    let (readers, examples) = read::start(conn, database, selection).await?;
    let (read, mut documents_read) = watch::channel(0);
    let writing = {
        let (dir, selection, formats) = (dir.to_owned(), selection.clone(), formats.to_vec());
        tokio::task::spawn_blocking(move || write(examples, &dir, &selection, &formats, &read))
    };
    progress(BuildProgress { documents_read: 0, documents_total });
    loop {
        tokio::select! {
            Some(passed) = gate.join_next() => {
                if let Err(error) = passed.map_err(DatasetError::of_thread).flatten() {
                    // without readers the thread ends; whoever builds into the folder again must find it alone
                    drop(readers);
                    let _unneeded = writing.await;
                    return Err(error);
                }
            }
            changed = documents_read.changed() => match changed {
                Ok(()) => progress(BuildProgress { documents_read: *documents_read.borrow_and_update(), documents_total }),
                // the thread has dropped its end
                Err(_) => break,
            },
        }
    }
    let written = writing.await.map_err(DatasetError::of_thread)?;
    if matches!(written, Ok(_) | Err(DatasetError::Cancelled)) {
        // a thread that lost its readers tells no reason: they do
        readers.finish().await;
    }
    let written = written?;
    if let Some(passed) = gate.join_next().await {
        passed.map_err(DatasetError::of_thread)??;
    }
    if written.tally.examples.total() == 0 {
        return Err(no_examples(selection, &written.tally));
    }
    describe(dir, selection, formats, extent, written).await
}

/// Fails the build when splits leak into each other.
async fn pass_gate(database: PgConnectOptions, selection: Selection) -> Result<(), DatasetError> {
    let mut conn = database.connect().await?;
    // texts that came past the importer would hide from it
    annotations::near_duplicates::sketch_missing(&mut conn).await?;
    check_leaks(&mut conn, &selection).await
}

/// Documents that are looked at; some of them become examples.
async fn count_documents(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DatasetError> {
    let documents = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "documents!"
        FROM documents d
        WHERE ($1::uuid[] IS NULL OR d.id = ANY($1))
          AND ($2::text IS NULL OR d.source = $2)
          AND ($3::text IS NULL OR d.project = $3)
        "#,
        selection.documents.as_deref(),
        selection.source,
        selection.project,
    )
    .fetch_one(conn)
    .await?;
    Ok(documents)
}

/// Writes the small files that describe the others, the manifest last.
async fn describe(
    dir: &Path,
    selection: &Selection,
    formats: &[Format],
    extent: Extent,
    written: Written,
) -> Result<Snapshot, DatasetError> {
    let (dir, selection, formats) = (dir.to_owned(), selection.clone(), formats.to_vec());
    let describing = tokio::task::spawn_blocking(move || {
        let Written { canonical_hash, tally, mut files, sizes, pool } = written;
        let (splits, left) = (tally.examples, tally.left.clone());
        let field_counts = tally.fields();
        let labels = Labels::decide(&selection, &field_counts);
        let stratification = stratify(&field_counts, &labels);
        let mut pairs = 0;
        if let (Some(pool), Some(request)) = (&pool, &selection.pairs) {
            let drawn = draw(pool, &selection.fields, &labels, request);
            pairs = drawn.len();
            files.extend(write_pairs(&dir, &drawn, &formats)?);
        }
        let card = Card {
            selection: &selection,
            effective_position: extent.position,
            canonical_hash: &canonical_hash,
            sizes: &sizes,
            labels: &labels,
            stratification: &stratification,
            pairs,
        };
        files.push(HashedFile::write_whole(&dir, "labels.json", &json_file(&labels))?);
        files.push(HashedFile::write_whole(&dir, "README.md", card.to_string().as_bytes())?);
        let examples = sizes.iter().map(|size: &SplitSize| size.examples).sum();
        let manifest = Manifest::new(&canonical_hash, examples, Identity::new(&selection, extent), &files);
        let manifest = HashedFile::write_whole(&dir, "manifest.json", &json_file(&manifest))?;
        files.push(manifest);
        let counts = json!({
            "splits": splits,
            "fields": count_fields(&field_counts, &labels),
            "stratification": stratification,
            "trainable_fields": labels.fields.keys().collect::<Vec<_>>(),
            "left_out": labels.left_out,
            "excluded_documents": left,
            "pairs": pairs,
        });
        let trainable_fields = labels.fields.keys().cloned().collect();
        Ok(Snapshot { canonical_hash, extent, examples, counts, files, trainable_fields, left_out: labels.left_out })
    });
    describing.await.map_err(DatasetError::of_thread)?
}

fn json_file(content: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(content).expect("names and numbers always serialise");
    json.push(b'\n');
    json
}

/// Per field what the row of the snapshot keeps.
fn count_fields(field_counts: &BTreeMap<String, FieldCounts>, labels: &Labels) -> serde_json::Map<String, serde_json::Value> {
    let fields = field_counts.iter().map(|(field, counts)| {
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
    });
    fields.collect()
}

fn no_examples(selection: &Selection, tally: &Tally) -> DatasetError {
    let documents = selection.describe();
    let fields = selection.fields.join(", ");
    let position = selection.position;
    let left = tally.describe_left();
    DatasetError::NoExamples {
        looked_for: format!("none of {documents} has an accepted value for {fields} up to position {position} ({left})"),
    }
}
