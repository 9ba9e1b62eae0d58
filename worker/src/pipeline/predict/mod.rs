//! A run that predicts a selection of documents with a published version, and stores the predictions under the name of the version.
//!
//! Documents are predicted in the order of their ids and stored in batches. What is stored is not predicted again, so an attempt continues
//! where the last one stopped, and two runs of one version never repeat the work of each other.

mod metrics;
mod parts;
mod predictor;

use aprendiz_annotations::predictions::{
    DocumentToPredict, NewPrediction, PredictedText, PredictionSelection, count_documents, count_predictions, list_documents,
    store_predictions, version_name,
};
use aprendiz_db::run_blocking;
use aprendiz_inference::{FieldPrediction, ThresholdStatus};
use aprendiz_run_spec::{PredictParams, RunKind, ValidatedSpec};
use aprendiz_runs::{
    AttemptId, Claim, EventKind, ModelVersion, RunPhase, RunStatus, RunsError, list_latest_thresholds, list_run_documents, lock_attempt,
};
use aprendiz_test_gate::Point;
use aprendiz_text::count;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::written_model::published_fields;
use crate::pipeline::phases::{Phases, hold_at};
use crate::pipeline::predict::metrics::Totals;
use crate::pipeline::predict::parts::split;
use crate::pipeline::predict::predictor::Predictor;
use crate::pipeline::progress::report_progress;
use crate::pipeline::publish;
use crate::pipeline::run_log::record_log;
use crate::pipeline::used_version::{VersionUse, find_used_version};
use crate::pipeline::version_files::download_version_files;
use crate::retry::{in_transaction, retry_on_outage};
use crate::scratch::Scratch;

/// Documents that are listed by one statement. A field classifier is loaded once for them.
const PAGE: i64 = 256;

const USAGE: VersionUse = VersionUse {
    kinds: &[RunKind::Linear, RunKind::FieldClassifier, RunKind::Auto],
    wrong_kind: "kind_not_predicted",
    instead: "predict with another version",
};

/// Executes a claimed run up to and including the publication of its metrics.
pub(crate) async fn run(
    deps: &Deps,
    claim: &Claim,
    spec: &ValidatedSpec,
    (number, params): (i32, &PredictParams),
    phases: &mut Phases<'_>,
    shutting_down: &CancellationToken,
) -> Result<(), Interruption> {
    let attempt = claim.attempt;
    let parent = deps.config.scratch.clone();
    let scratch = run_blocking(move || Scratch::create(&parent, attempt)).await?;
    phases.enter(RunPhase::Predict).await?;
    let version = find_used_version(deps, &claim.run.model, number, USAGE).await?;
    download_version_files(deps, &version, &scratch.model()).await?;
    let predictor = Predictor::load(deps, attempt, &version, spec.backend(), &scratch).await?;
    let thresholds = field_thresholds(deps, &version, &scratch, &spec.data().fields).await?;
    let documents = retry_on_outage!(async { list_run_documents(&mut *deps.database.read().await?, attempt.run_id).await })?;
    let selection = PredictionSelection {
        position: claim.run.position,
        documents,
        source: spec.data().filter.source.clone(),
        project: spec.data().filter.project.clone(),
        sources: params.sources.clone(),
        projects: params.projects.clone(),
        unreviewed: params.unreviewed,
        fields: thresholds.iter().map(|(field, _)| field.clone()).collect(),
        version: version_name(&version.model, version.number),
    };
    let (progress, latest) = watch::channel(json!({}));
    let mut work = Work { deps, attempt, selection, thresholds, predictor, batch: params.batch_documents as usize, progress, stored: 0 };
    let totals = tokio::select! {
        totals = work.predict_all(&version, shutting_down) => totals?,
        interruption = report_progress(&deps.database, attempt, latest, Some(EventKind::Metric)) => return Err(interruption),
    };
    record_log(&deps.database, attempt, &json!({ "text": totals.describe() })).await?;
    phases.enter(RunPhase::Publish).await?;
    publish::publish_metrics(&deps.database, attempt, &totals.metrics(), &[]).await
}

/// The fields to predict with their current thresholds; `None` = nothing is answered.
async fn field_thresholds(
    deps: &Deps,
    version: &ModelVersion,
    scratch: &Scratch,
    wanted: &[String],
) -> Result<Vec<(String, Option<f64>)>, Interruption> {
    let folder = scratch.model();
    let published = run_blocking(move || published_fields(&folder)).await?;
    if let Some(unknown) = wanted.iter().find(|field| published.field(field).is_none()) {
        let names: Vec<&str> = published.fields.iter().map(|field| field.name.as_str()).collect();
        let text =
            format!("{} version {} does not predict field `{unknown}`: it predicts {}", version.model, version.number, names.join(", "));
        return Err(Interruption::permanent("field_not_predicted", text));
    }
    let changed = retry_on_outage!(async { list_latest_thresholds(&mut *deps.database.read().await?, version.id).await })?;
    let selected = published.fields.iter().filter(|field| wanted.is_empty() || wanted.contains(&field.name));
    let thresholds = selected.map(|field| {
        let own = field.threshold.filter(|_| field.threshold_status == ThresholdStatus::Ok);
        let changed = changed.iter().find(|changed| changed.field == field.name);
        (field.name.clone(), changed.map_or(own, |changed| changed.threshold))
    });
    Ok(thresholds.collect())
}

/// The work of one attempt.
struct Work<'a> {
    deps: &'a Deps,
    attempt: AttemptId,
    selection: PredictionSelection,
    thresholds: Vec<(String, Option<f64>)>,
    predictor: Predictor<'a>,
    /// Maximum number of documents of one transaction.
    batch: usize,
    progress: watch::Sender<Value>,
    /// Batches that are stored.
    stored: u64,
}

impl Work<'_> {
    async fn predict_all(&mut self, version: &ModelVersion, shutting_down: &CancellationToken) -> Result<Totals, Interruption> {
        let database = &self.deps.database;
        let total = retry_on_outage!(async { Ok::<_, RunsError>(count_documents(&mut *database.read().await?, &self.selection).await?) })?;
        let total = total.unsigned_abs();
        let text = format!("predicts {} with {} version {}", count(total, "document"), version.model, version.number);
        record_log(database, self.attempt, &json!({ "text": text, "manifest_sha256": version.manifest_sha256 })).await?;
        let mut totals = Totals::new(&self.thresholds);
        let mut after = None;
        loop {
            let page = retry_on_outage!(async {
                Ok::<_, RunsError>(list_documents(&mut *database.read().await?, &self.selection, after, PAGE).await?)
            })?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let ids: Vec<Uuid> = page.iter().map(|document| document.id).collect();
            let pending: Vec<DocumentToPredict> = page.into_iter().filter(|document| !document.is_predicted).collect();
            totals.start_page(ids.len(), pending.len());
            self.predict_page(&pending, &mut totals, total, shutting_down).await?;
            let counted = retry_on_outage!(async {
                let mut conn = database.read().await?;
                Ok::<_, RunsError>(count_predictions(&mut conn, &self.selection.version, &ids, &self.thresholds).await?)
            })?;
            totals.end_page(&counted);
            self.show(totals.documents(), total);
        }
        Ok(totals)
    }

    async fn predict_page(
        &mut self,
        pending: &[DocumentToPredict],
        totals: &mut Totals,
        total: u64,
        shutting_down: &CancellationToken,
    ) -> Result<(), Interruption> {
        let before = totals.finished();
        let progress = self.progress.clone();
        let mut reader = self.predictor.start(self.deps, pending, |done| send_progress(&progress, before as f64 + done, total)).await?;
        for part in split(pending, self.batch) {
            // what is stored is kept: another attempt continues here
            if shutting_down.is_cancelled() {
                return Err(Interruption::ShuttingDown);
            }
            let predictions = reader.predict(self.deps, part).await?;
            let texts: Vec<PredictedText> = part
                .iter()
                .zip(predictions)
                .filter_map(|(document, fields)| {
                    let fields = self.new_predictions(fields?);
                    Some(PredictedText { document_id: document.id, text_version: document.text_version, fields })
                })
                .collect();
            let unread = part.len() - texts.len();
            let left_out = retry_on_outage!(store(self.deps, self.attempt, &self.selection.version, &texts))?;
            totals.add_batch(part.len(), left_out + unread);
            self.stored += 1;
            self.show(totals.finished(), total);
            hold_at(Point::AfterCheckpoint(self.stored)).await;
        }
        Ok(())
    }

    /// The predictions of the selected fields, as they are stored.
    fn new_predictions(&self, fields: Vec<FieldPrediction>) -> Vec<NewPrediction> {
        let selected = fields.into_iter().filter(|field| self.selection.fields.contains(&field.field));
        selected
            .map(|FieldPrediction { field, value, confidence, no_known_feature, .. }| NewPrediction {
                field,
                value,
                // the share of a class in train says nothing about this text, and must not reach any threshold
                confidence: (!no_known_feature).then_some(confidence),
            })
            .collect()
    }

    fn show(&self, done: u64, total: u64) {
        send_progress(&self.progress, done as f64, total);
    }
}

fn send_progress(progress: &watch::Sender<Value>, done: f64, total: u64) {
    let fraction = (done / total.max(1) as f64).min(1.0);
    progress.send_replace(json!({
        "stage": "predict", "documents": done as u64, "documents_total": total.max(done as u64), "fraction": fraction,
    }));
}

/// Stores a batch. A repeated call changes nothing.
async fn store(deps: &Deps, attempt: AttemptId, version: &str, texts: &[PredictedText]) -> Result<usize, RunsError> {
    in_transaction!(deps.database, tx => async {
        if lock_attempt(&mut tx, attempt).await? == RunStatus::Cancelling {
            return Err(RunsError::CancelRequested { run_id: attempt.run_id, number: attempt.number });
        }
        Ok::<_, RunsError>(store_predictions(&mut tx, attempt.run_id.0, version, texts).await?)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_exceeds_the_whole() {
        let (sender, latest) = watch::channel(json!({}));
        send_progress(&sender, 3.0, 4);
        let expected = json!({ "stage": "predict", "documents": 3, "documents_total": 4, "fraction": 0.75 });
        assert_eq!(*latest.borrow(), expected);
        send_progress(&sender, 5.0, 4);
        assert_eq!((&latest.borrow()["fraction"], &latest.borrow()["documents_total"]), (&json!(1.0), &json!(5)));
        send_progress(&sender, 0.0, 0);
        assert_eq!(latest.borrow()["fraction"], json!(0.0));
    }
}
