//! What there is to learn for one field.

use std::collections::BTreeSet;

use evaluation::Label;
use serde::{Deserialize, Serialize};

use crate::dataset::{Example, Labels, Value};

/// A field that is trained: its classes, and the examples that have one of them.
#[derive(Debug, Clone)]
pub(crate) struct FieldTask {
    pub(crate) name: String,
    /// Labels the snapshot admits, learned or not.
    admitted: Vec<Label>,
    /// Classes: labels that occur in train, sorted, `∅` last.
    pub(crate) labels: Vec<Label>,
    /// Labels that no training example has.
    pub(crate) unlearnable: Vec<Label>,
    /// Training examples per class.
    pub(crate) train_counts: Vec<u64>,
    /// Numbers of the training examples used, ascending.
    pub(crate) examples: Vec<usize>,
    /// Their classes.
    pub(crate) classes: Vec<usize>,
}

/// A field that is not trained, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSkipped {
    /// The field.
    pub field: String,
    /// Why, in words.
    pub reason: String,
}

impl FieldTask {
    /// The tasks of a snapshot in the order of field names, and the fields that cannot be trained.
    pub(crate) fn all(labels: &Labels, train: &[Example]) -> (Vec<Self>, Vec<FieldSkipped>) {
        let mut tasks = Vec::new();
        let mut skipped: Vec<FieldSkipped> =
            labels.left_out.iter().map(|left| FieldSkipped { field: left.field.clone(), reason: left.reason.clone() }).collect();
        for (field, admitted) in &labels.fields {
            match Self::new(field, &admitted.labels, train) {
                Ok(task) => tasks.push(task),
                Err(reason) => skipped.push(FieldSkipped { field: field.clone(), reason }),
            }
        }
        (tasks, skipped)
    }

    fn new(field: &str, admitted: &[Label], train: &[Example]) -> Result<Self, String> {
        // ∅ sorts last: a missing label is greater than any text
        let sorted: BTreeSet<(bool, &Label)> = admitted.iter().map(|label| (label.is_none(), label)).collect();
        let admitted: Vec<Label> = sorted.into_iter().map(|(_, label)| label.clone()).collect();

        let mut used = Vec::new();
        let mut counts = vec![0_u64; admitted.len()];
        for (number, example) in train.iter().enumerate() {
            if let Some(label) = admitted_label(&admitted, example, field) {
                counts[label] += 1;
                used.push((number, label));
            }
        }
        let learned: Vec<usize> = (0..admitted.len()).filter(|label| counts[*label] > 0).collect();
        match learned[..] {
            [] => return Err("no training example has a label".to_owned()),
            [only] => {
                let name = admitted[only].as_deref().map_or_else(|| "no value".to_owned(), |label| format!("`{label}`"));
                return Err(format!("only one label, {name}, occurs in the training examples"));
            }
            _ => {}
        }
        let class_of = |label: usize| learned.iter().position(|other| *other == label);
        let (examples, classes) = used.into_iter().filter_map(|(number, label)| class_of(label).map(|class| (number, class))).unzip();
        Ok(Self {
            name: field.to_owned(),
            labels: learned.iter().map(|label| admitted[*label].clone()).collect(),
            train_counts: learned.iter().map(|label| counts[*label]).collect(),
            unlearnable: (0..admitted.len()).filter(|label| counts[*label] == 0).map(|label| admitted[label].clone()).collect(),
            admitted,
            examples,
            classes,
        })
    }

    /// The accepted label of an example, if the snapshot admits it; it may be one that cannot be learned.
    pub(crate) fn gold<'a>(&'a self, example: &Example) -> Option<&'a Label> {
        admitted_label(&self.admitted, example, &self.name).map(|label| &self.admitted[label])
    }
}

fn admitted_label(admitted: &[Label], example: &Example, field: &str) -> Option<usize> {
    match example.values.get(field)? {
        Value::Class(label) => admitted.iter().position(|other| other == label),
        Value::Several => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(values: &[Option<Value>]) -> Vec<Example> {
        values
            .iter()
            .enumerate()
            .map(|(number, value)| Example {
                document_id: number.to_string(),
                group: number.to_string(),
                values: value.iter().map(|value| ("law".to_owned(), value.clone())).collect(),
            })
            .collect()
    }

    fn class(label: &str) -> Option<Value> {
        Some(Value::Class(Some(label.to_owned())))
    }

    #[test]
    fn classes_are_the_labels_that_occur_with_no_value_last() {
        let admitted = [None, Some("b".to_owned()), Some("a".to_owned()), Some("never".to_owned())];
        let train = examples(&[class("b"), None, Some(Value::Class(None)), class("a"), class("too rare"), Some(Value::Several)]);
        let task = FieldTask::new("law", &admitted, &train).unwrap();
        assert_eq!(task.labels, [Some("a".to_owned()), Some("b".to_owned()), None]);
        assert_eq!(task.unlearnable, [Some("never".to_owned())]);
        assert_eq!((task.examples, task.classes), (vec![0, 2, 3], vec![1, 2, 0]));
    }

    #[test]
    fn a_field_with_one_label_says_which() {
        let admitted = [Some("a".to_owned()), Some("b".to_owned())];
        let error = FieldTask::new("law", &admitted, &examples(&[class("a"), class("a")])).unwrap_err();
        assert_eq!(error, "only one label, `a`, occurs in the training examples");
        assert!(FieldTask::new("law", &admitted, &[]).unwrap_err().contains("no training example"));
    }
}
