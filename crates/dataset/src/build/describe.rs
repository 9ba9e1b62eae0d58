//! Writes the small files that describe a snapshot: pairs, `labels.json`, `README.md` and `manifest.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::build::card::Card;
use crate::build::files::{Format, HashedFile, SplitSize};
use crate::build::manifest::Manifest;
use crate::build::pairs::{draw_pairs, write_pairs};
use crate::build::snapshot::Snapshot;
use crate::build::writer::WrittenExamples;
use crate::error::DatasetError;
use crate::labels::{FieldCounts, Labels, evidence_warnings, stratification};
use crate::selection::{Selection, SnapshotIdentity, Watermark};

/// Completes the snapshot in `dir`. The manifest is written last. Blocks.
pub(crate) fn describe_snapshot(
    dir: &Path,
    selection: &Selection,
    formats: &[Format],
    watermark: Watermark,
    written: WrittenExamples,
) -> Result<Snapshot, DatasetError> {
    let WrittenExamples { canonical_hash, counts, mut files, sizes, pool } = written;
    let (splits, excluded_documents) = (counts.examples, counts.excluded_documents.clone());
    let groups = counts.groups();
    let warnings = evidence_warnings(splits, &groups);
    let field_counts = counts.into_fields();
    let labels = Labels::from_counts(selection, &field_counts);
    let stratification = stratification(&field_counts, &labels);
    let mut pairs = 0;
    if let (Some(pool), Some(request)) = (&pool, &selection.pairs) {
        let drawn = draw_pairs(pool, &selection.fields, &labels, request);
        pairs = drawn.len();
        files.extend(write_pairs(dir, &drawn, formats)?);
    }
    let card = Card {
        selection,
        effective_position: watermark.position,
        canonical_hash: &canonical_hash,
        sizes: &sizes,
        labels: &labels,
        stratification: &stratification,
        groups: &groups,
        warnings: &warnings,
        pairs,
    };
    files.push(HashedFile::write_all_to(dir, "labels.json", &json_line(&labels))?);
    files.push(HashedFile::write_all_to(dir, "README.md", card.to_string().as_bytes())?);
    let examples = sizes.iter().map(|size: &SplitSize| size.examples).sum();
    let manifest = Manifest::new(&canonical_hash, examples, SnapshotIdentity::new(selection, watermark), &files);
    let manifest = HashedFile::write_all_to(dir, "manifest.json", &json_line(&manifest))?;
    files.push(manifest);
    let counts = json!({
        "splits": splits,
        "fields": field_counts_json(&field_counts, &labels),
        "groups": groups,
        "warnings": warnings,
        "stratification": stratification,
        "trainable_fields": labels.fields.keys().collect::<Vec<_>>(),
        "left_out": labels.left_out,
        "excluded_documents": excluded_documents,
        "pairs": pairs,
    });
    let trainable_fields = labels.fields.keys().cloned().collect();
    Ok(Snapshot { canonical_hash, watermark, examples, counts, files, trainable_fields, left_out: labels.left_out })
}

fn json_line(content: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(content).expect("names and numbers always serialise");
    json.push(b'\n');
    json
}

/// The key `fields` of `datasets.counts`.
fn field_counts_json(field_counts: &BTreeMap<String, FieldCounts>, labels: &Labels) -> Map<String, Value> {
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
