//! The classification task of one field.

use std::collections::BTreeSet;

use aprendiz_evaluation::{Label, ScoredExample, accuracy, log_loss};
use aprendiz_inference::FieldPrediction;

use crate::{
    dataset::{Example, Labels, Value},
    protocol::{
        report::ReportRow,
        summary::{FieldSkipped, FieldSummary},
    },
};

/// The classes of a field, and the training examples that have one of them.
#[derive(Debug, Clone)]
pub(crate) struct FieldTask {
    pub(crate) name: String,
    /// Labels in the snapshot, with or without training examples.
    allowed: Vec<Label>,
    /// Classes: labels that occur in the train split, sorted, `∅` last.
    pub(crate) labels: Vec<Label>,
    /// Labels without training examples.
    pub(crate) unlearnable: Vec<Label>,
    /// Training examples per class.
    pub(crate) train_counts: Vec<u64>,
    /// Indices of the training examples that have a class, ascending.
    pub(crate) examples: Vec<usize>,
    /// Their classes.
    pub(crate) classes: Vec<usize>,
}

impl FieldTask {
    /// The tasks of a snapshot in the order of field names, and the fields that cannot be trained.
    pub(crate) fn all(labels: &Labels, train: &[Example]) -> (Vec<Self>, Vec<FieldSkipped>) {
        let mut tasks = Vec::new();
        let mut skipped: Vec<FieldSkipped> = labels
            .left_out
            .iter()
            .map(|excluded| FieldSkipped { field: excluded.field.clone(), reason: excluded.reason.clone() })
            .collect();
        for (field, allowed) in &labels.fields {
            match Self::new(field, &allowed.labels, train) {
                Ok(task) => tasks.push(task),
                Err(reason) => skipped.push(FieldSkipped { field: field.clone(), reason }),
            }
        }
        (tasks, skipped)
    }

    fn new(field: &str, allowed: &[Label], train: &[Example]) -> Result<Self, String> {
        // ∅ sorts last: a missing label compares greater than any text
        let sorted: BTreeSet<(bool, &Label)> = allowed.iter().map(|label| (label.is_none(), label)).collect();
        let allowed: Vec<Label> = sorted.into_iter().map(|(_, label)| label.clone()).collect();

        let mut used = Vec::new();
        let mut counts = vec![0_u64; allowed.len()];
        for (index, example) in train.iter().enumerate() {
            if let Some(label) = find_label(&allowed, example, field) {
                counts[label] += 1;
                used.push((index, label));
            }
        }
        let learned: Vec<usize> = (0..allowed.len()).filter(|label| counts[*label] > 0).collect();
        match learned[..] {
            [] => return Err("no training example has a label".to_owned()),
            [only] => {
                let name = allowed[only].as_deref().map_or_else(|| "no value".to_owned(), |label| format!("`{label}`"));
                return Err(format!("only one label, {name}, occurs in the training examples"));
            }
            _ => {}
        }
        let find_class = |label: usize| learned.iter().position(|other| *other == label);
        let (examples, classes) = used.into_iter().filter_map(|(index, label)| find_class(label).map(|class| (index, class))).unzip();
        Ok(Self {
            name: field.to_owned(),
            labels: learned.iter().map(|label| allowed[*label].clone()).collect(),
            train_counts: learned.iter().map(|label| counts[*label]).collect(),
            unlearnable: (0..allowed.len()).filter(|label| counts[*label] == 0).map(|label| allowed[label].clone()).collect(),
            allowed,
            examples,
            classes,
        })
    }

    /// The accepted label of an example, if it is among the labels of the snapshot. It may be one without training examples.
    pub(crate) fn gold<'a>(&'a self, example: &Example) -> Option<&'a Label> {
        find_label(&self.allowed, example, &self.name).map(|label| &self.allowed[label])
    }

    /// The report row of a prediction for a document, if the document has a value that can be scored.
    pub(crate) fn score(&self, example: &Example, prediction: FieldPrediction) -> Option<ReportRow> {
        let gold = self.gold(example)?;
        Some(ReportRow {
            document_id: example.document_id.clone(),
            group: example.group.clone(),
            no_known_feature: prediction.no_known_feature,
            field: self.name.clone(),
            gold_probability: prediction.probability(gold.as_deref()),
            gold: gold.clone(),
            predicted: prediction.value,
            confidence: prediction.confidence,
        })
    }

    /// Results of the field, from its out-of-fold rows and the validation rows of all fields.
    pub(crate) fn summarize(
        &self,
        l2: f64,
        folds: usize,
        fold_repeats: usize,
        out_of_fold: Vec<ReportRow>,
        validation: &[ReportRow],
    ) -> FieldSummary {
        let out_of_fold: Vec<ScoredExample> = out_of_fold.into_iter().map(ScoredExample::from).collect();
        let validation: Vec<ScoredExample> =
            validation.iter().filter(|row| row.field == self.name).cloned().map(ScoredExample::from).collect();
        FieldSummary {
            field: self.name.clone(),
            train_examples: self.examples.len() as u64,
            classes: self.labels.len() as u64,
            l2,
            folds: folds as u64,
            fold_repeats: fold_repeats as u64,
            out_of_fold_accuracy: accuracy(&out_of_fold),
            out_of_fold_log_loss: log_loss(&out_of_fold),
            validation_examples: validation.len() as u64,
            validation_accuracy: accuracy(&validation),
            validation_log_loss: log_loss(&validation),
        }
    }
}

fn find_label(allowed: &[Label], example: &Example, field: &str) -> Option<usize> {
    match example.values.get(field)? {
        Value::Class(label) => allowed.iter().position(|other| other == label),
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
        let allowed = [None, Some("b".to_owned()), Some("a".to_owned()), Some("unused".to_owned())];
        let train = examples(&[class("b"), None, Some(Value::Class(None)), class("a"), class("too rare"), Some(Value::Several)]);
        let task = FieldTask::new("law", &allowed, &train).unwrap();
        assert_eq!(task.labels, [Some("a".to_owned()), Some("b".to_owned()), None]);
        assert_eq!(task.unlearnable, [Some("unused".to_owned())]);
        assert_eq!((task.examples, task.classes), (vec![0, 2, 3], vec![1, 2, 0]));
    }

    #[test]
    fn a_field_with_a_single_label_is_rejected_by_name() {
        let allowed = [Some("a".to_owned()), Some("b".to_owned())];
        let error = FieldTask::new("law", &allowed, &examples(&[class("a"), class("a")])).unwrap_err();
        assert_eq!(error, "only one label, `a`, occurs in the training examples");
        assert!(FieldTask::new("law", &allowed, &[]).unwrap_err().contains("no training example"));
    }
}
