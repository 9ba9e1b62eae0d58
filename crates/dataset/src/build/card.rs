//! `README.md`: the dataset card, with the YAML front matter that Hugging Face `datasets` reads.
//!
//! Field names are user data. They are written as JSON strings, which are valid YAML strings.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde_json::json;

use crate::build::files::{STRING_COLUMNS, SplitSize, parquet_path};
use crate::build::pairs::pairs_path;
use crate::labels::{GroupCounts, Labels, Stratification};
use crate::selection::Selection;

/// Content of the card; `Display` renders the file.
pub(crate) struct Card<'a> {
    pub(crate) selection: &'a Selection,
    pub(crate) effective_position: i64,
    pub(crate) canonical_hash: &'a str,
    pub(crate) sizes: &'a [SplitSize],
    pub(crate) labels: &'a Labels,
    pub(crate) stratification: &'a BTreeMap<String, Stratification>,
    pub(crate) groups: &'a GroupCounts,
    /// Empty splits and large groups of near-duplicates.
    pub(crate) warnings: &'a [String],
    /// Number of text pairs.
    pub(crate) pairs: usize,
}

impl Display for Card<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "---")?;
        self.configs(f)?;
        self.info(f)?;
        writeln!(f, "---\n")?;
        self.text(f)
    }
}

impl Card<'_> {
    fn configs(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "configs:\n- config_name: default\n  data_files:")?;
        for size in self.sizes {
            writeln!(f, "  - split: {}\n    path: {}", size.split, parquet_path(size.split))?;
        }
        if self.selection.pairs.is_some() {
            writeln!(f, "- config_name: pairs\n  data_files:")?;
            for size in self.sizes {
                writeln!(f, "  - split: {}\n    path: {}", size.split, pairs_path(size.split))?;
            }
        }
        Ok(())
    }

    fn info(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "dataset_info:\n- config_name: default\n  features:")?;
        for (name, _) in STRING_COLUMNS {
            writeln!(f, "  - name: {name}\n    dtype: string")?;
        }
        writeln!(f, "  - name: fields\n    struct:")?;
        for field in &self.selection.fields {
            writeln!(f, "    - name: {}\n      struct:", json!(field))?;
            writeln!(f, "      - name: value\n        list: string")?;
            writeln!(f, "      - name: status\n        dtype: string")?;
            writeln!(f, "      - name: position\n        dtype: int64")?;
            writeln!(f, "      - name: reviewer\n        dtype: string")?;
            writeln!(f, "      - name: occurred_at\n        dtype: timestamp[us, tz=UTC]")?;
        }
        writeln!(f, "  splits:")?;
        for size in self.sizes {
            writeln!(f, "  - name: {}\n    num_bytes: {}\n    num_examples: {}", size.split, size.plain_bytes, size.examples)?;
        }
        let download: u64 = self.sizes.iter().map(|size| size.bytes).sum();
        let plain: u64 = self.sizes.iter().map(|size| size.plain_bytes).sum();
        writeln!(f, "  download_size: {download}\n  dataset_size: {plain}")
    }

    fn text(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { selection, effective_position, canonical_hash, .. } = self;
        writeln!(f, "# Reviewed documents\n")?;
        for warning in self.warnings {
            writeln!(f, "> **Warning.** {warning}.\n")?;
        }
        writeln!(
            f,
            "Accepted review values of {}, as of position {effective_position}. Canonical hash: `{canonical_hash}`.\n",
            selection.describe()
        )?;
        writeln!(f, "| split | examples | file |\n| --- | ---: | --- |")?;
        for size in self.sizes {
            writeln!(f, "| {} | {} | `{}` |", size.split, size.examples, parquet_path(size.split))?;
        }
        writeln!(
            f,
            "\n`jsonl/` holds the same rows with the same schema. Splits are assigned once per group and never change; use test examples for the final evaluation only.\n"
        )?;
        if self.groups.copies > 0 {
            let examples = self.groups.groups + self.groups.copies;
            writeln!(
                f,
                "{} of {examples} examples are copies: near-duplicates of another example. A group of near-duplicates counts once in thresholds,\nintervals, `n` and the minimum support.\n",
                self.groups.copies
            )?;
        }
        writeln!(f, "In `fields`, a null field is unreviewed; an empty list of values means that a reviewer")?;
        writeln!(
            f,
            "recorded \"no value\". `position` is the id of the review event. `file_name` and `metadata`, a JSON object as a string, are not used as features.\n"
        )?;
        if let Some(pairs) = &self.selection.pairs {
            writeln!(
                f,
                "`pairs/` holds {} text pairs: as many with the same label (1) as with different labels (0), from at most {} texts per label,\ntruncated to {} characters.\n",
                self.pairs, pairs.per_label, pairs.max_chars
            )?;
        }
        writeln!(f, "| field | labels | excluded labels | excluded from training |\n| --- | ---: | ---: | --- |")?;
        for (field, trainable) in &self.labels.fields {
            writeln!(f, "| `{field}` | {} | {} | |", trainable.labels.len(), trainable.excluded.len())?;
        }
        for excluded in &self.labels.left_out {
            let reason = json!(excluded.reason);
            writeln!(f, "| `{}` | | | {} |", excluded.field, reason.as_str().unwrap_or_default())?;
        }
        writeln!(
            f,
            "\nLabels with fewer than {} examples (near-duplicates count once) are excluded from training; `labels.json` lists them.",
            selection.min_support
        )?;
        for group in same_ignoring_case(&selection.fields) {
            writeln!(
                f,
                "\nThe fields `{}` differ only in case. DuckDB, Spark and other readers that ignore case confuse them: rename one, or read with pyarrow,\npandas, polars or `datasets`.",
                group.join("`, `")
            )?;
        }
        let warnings: Vec<_> = self.stratification.values().flat_map(|field| &field.warnings).collect();
        if !warnings.is_empty() {
            writeln!(f, "\nLabels that are missing from a split:\n")?;
        }
        for warning in warnings {
            writeln!(f, "- {warning}")?;
        }
        Ok(())
    }
}

/// Groups of field names that are equal if case is ignored.
fn same_ignoring_case(fields: &[String]) -> Vec<Vec<&str>> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for field in fields {
        groups.entry(field.to_lowercase()).or_default().push(field);
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}
