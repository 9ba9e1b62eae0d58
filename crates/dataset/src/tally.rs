//! What is counted while the rows of a snapshot pass: examples per split, documents that are none, labels.
//!
//! Memory grows with distinct labels, not with examples.

use std::collections::{BTreeMap, HashMap};

use crate::example::Example;
use crate::label::{FieldCounts, Label, PerSplit};
use crate::selection::Selection;
use crate::split::Split;

/// Counts of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) examples: PerSplit,
    /// Reason → documents: the reason of the split for an excluded document, `no_accepted_value`, `no_split`.
    pub(crate) left: BTreeMap<String, i64>,
    fields: Vec<FieldTally>,
}

#[derive(Debug, Default)]
struct FieldTally {
    name: String,
    /// A field that is kept out of training may have as many values as documents: those are not counted.
    counts_labels: bool,
    reviewed: PerSplit,
    several_values: PerSplit,
    no_value: PerSplit,
    values: HashMap<String, PerSplit>,
}

impl Tally {
    pub(crate) fn new(selection: &Selection) -> Self {
        let untrainable = selection.untrainable_names();
        let field = |name: &String| FieldTally { name: name.clone(), counts_labels: !untrainable.contains(name), ..FieldTally::default() };
        Self { fields: selection.fields.iter().map(field).collect(), ..Self::default() }
    }

    pub(crate) fn leave(&mut self, reason: String) {
        *self.left.entry(reason).or_default() += 1;
    }

    pub(crate) fn count(&mut self, example: &Example) {
        self.examples.add(example.split, 1);
        for reviewed in &example.fields {
            self.fields[reviewed.place].count(&reviewed.value, example.split);
        }
    }

    /// The counts of every field that was reviewed at all.
    pub(crate) fn fields(self) -> BTreeMap<String, FieldCounts> {
        let reviewed = self.fields.into_iter().filter(|field| field.reviewed.total() > 0);
        reviewed.map(|field| (field.name.clone(), field.into())).collect()
    }

    /// Why documents became no examples, in words.
    pub(crate) fn describe_left(&self) -> String {
        if self.left.is_empty() {
            return "there are no such documents".to_owned();
        }
        self.left.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
    }
}

impl FieldTally {
    fn count(&mut self, value: &[String], split: Split) {
        self.reviewed.add(split, 1);
        match value {
            [] => self.no_value.add(split, 1),
            [value] if self.counts_labels => match self.values.get_mut(value) {
                Some(count) => count.add(split, 1),
                None => self.values.entry(value.clone()).or_default().add(split, 1),
            },
            [_] => {}
            _ => self.several_values.add(split, 1),
        }
    }
}

impl From<FieldTally> for FieldCounts {
    fn from(field: FieldTally) -> Self {
        let mut labels: BTreeMap<Label, PerSplit> = field.values.into_iter().map(|(value, count)| (Label::Value(value), count)).collect();
        if field.no_value.total() > 0 {
            labels.insert(Label::NoValue, field.no_value);
        }
        Self { reviewed: field.reviewed, several_values: field.several_values, labels }
    }
}
