//! Report row of a training example, from its out-of-fold probabilities.

use crate::{dataset::Example, kinds::linear::field_task::FieldTask, protocol::report::ReportRow};

/// The row of an example, given by its index within the task.
pub(crate) fn report_row(task: &FieldTask, documents: &[Example], index: usize, probabilities: &[f64]) -> ReportRow {
    // the first maximum, as in prediction
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    let gold = task.classes[index];
    ReportRow {
        document_id: documents[task.examples[index]].document_id.clone(),
        group: documents[task.examples[index]].group.clone(),
        no_known_feature: false,
        field: task.name.clone(),
        gold: task.labels[gold].clone(),
        predicted: task.labels[best].clone(),
        confidence: probabilities[best],
        gold_probability: probabilities[gold],
    }
}
