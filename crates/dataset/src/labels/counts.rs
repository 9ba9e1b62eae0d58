//! Counts collected while the rows of a snapshot are streamed: examples per split, excluded documents and labels.
//!
//! Memory grows with the number of distinct labels, and by a few bytes per group of near-duplicates, but not with the texts.

use std::collections::{BTreeMap, HashMap};

use crate::labels::groups::{GroupCounts, Groups, LimitedGroups, group_hash};
use crate::labels::label::Label;
use crate::labels::split_counts::SplitCounts;
use crate::read::Example;
use crate::selection::Selection;
use crate::split::Split;

/// Counts of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) examples: SplitCounts,
    /// Reason → number of documents. The reason is that of the split for an excluded document, `no_accepted_value` or `no_split`.
    pub(crate) excluded_documents: BTreeMap<String, i64>,
    groups: Groups,
    fields: Vec<FieldCounter>,
    /// Groups are counted per label up to this number.
    min_support: usize,
}

/// Counts of one field.
#[derive(Debug, Default)]
pub(crate) struct FieldCounts {
    /// Examples in which the field was reviewed.
    pub(crate) reviewed: SplitCounts,
    /// Examples with more than one value in a single-valued field; they have no label.
    pub(crate) several_values: SplitCounts,
    /// Empty for fields that their definition excludes from training, because their values may all be distinct.
    pub(crate) labels: BTreeMap<Label, SplitCounts>,
    /// Groups of near-duplicates that have the label, counted up to the minimum support.
    pub(crate) label_groups: BTreeMap<Label, i64>,
}

#[derive(Debug, Default)]
struct FieldCounter {
    name: String,
    /// False for fields excluded from training: they may have as many values as documents.
    counts_labels: bool,
    reviewed: SplitCounts,
    several_values: SplitCounts,
    no_value: LabelCounter,
    values: HashMap<String, LabelCounter>,
}

#[derive(Debug, Default)]
struct LabelCounter {
    splits: SplitCounts,
    groups: LimitedGroups,
}

impl LabelCounter {
    fn add(&mut self, split: Split, group: u64, min_support: usize) {
        self.splits.add(split, 1);
        self.groups.add(group, min_support);
    }
}

impl Counts {
    pub(crate) fn new(selection: &Selection) -> Self {
        let untrainable = selection.untrainable_names();
        let field =
            |name: &String| FieldCounter { name: name.clone(), counts_labels: !untrainable.contains(name), ..FieldCounter::default() };
        let min_support = usize::try_from(selection.min_support).unwrap_or(usize::MAX);
        Self { fields: selection.fields.iter().map(field).collect(), min_support, ..Self::default() }
    }

    pub(crate) fn add_excluded(&mut self, reason: String) {
        *self.excluded_documents.entry(reason).or_default() += 1;
    }

    pub(crate) fn add(&mut self, example: &Example) {
        self.examples.add(example.split, 1);
        let group = group_hash(&example.group);
        self.groups.add(group, example.split);
        for reviewed in &example.fields {
            self.fields[reviewed.field_index].add(&reviewed.value, example.split, group, self.min_support);
        }
    }

    /// Groups of near-duplicates among the examples.
    pub(crate) fn groups(&self) -> GroupCounts {
        self.groups.count()
    }

    /// Counts of every field that was reviewed at least once.
    pub(crate) fn into_fields(self) -> BTreeMap<String, FieldCounts> {
        let reviewed = self.fields.into_iter().filter(|field| field.reviewed.total() > 0);
        reviewed.map(|field| (field.name.clone(), field.into())).collect()
    }

    /// Describes why the selected documents are not examples.
    pub(crate) fn describe_excluded(&self) -> String {
        if self.excluded_documents.is_empty() {
            return "no documents match".to_owned();
        }
        self.excluded_documents.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
    }
}

impl FieldCounter {
    fn add(&mut self, value: &[String], split: Split, group: u64, min_support: usize) {
        self.reviewed.add(split, 1);
        match value {
            [] => self.no_value.add(split, group, min_support),
            [value] if self.counts_labels => match self.values.get_mut(value) {
                Some(count) => count.add(split, group, min_support),
                None => self.values.entry(value.clone()).or_default().add(split, group, min_support),
            },
            [_] => {}
            _ => self.several_values.add(split, 1),
        }
    }
}

impl From<FieldCounter> for FieldCounts {
    fn from(field: FieldCounter) -> Self {
        let mut counters: BTreeMap<Label, LabelCounter> =
            field.values.into_iter().map(|(value, count)| (Label::Value(value), count)).collect();
        if field.no_value.splits.total() > 0 {
            counters.insert(Label::NoValue, field.no_value);
        }
        let label_groups = counters.iter().map(|(label, counter)| (label.clone(), counter.groups.count())).collect();
        let labels = counters.into_iter().map(|(label, counter)| (label, counter.splits)).collect();
        Self { reviewed: field.reviewed, several_values: field.several_values, labels, label_groups }
    }
}
