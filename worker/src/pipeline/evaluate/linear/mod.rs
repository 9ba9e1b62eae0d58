//! Evaluates a linear model: thresholds from scores of unseen examples, then a single pass over the test split.

mod whole_fit;

use std::path::Path;

use aprendiz_classifier::EvidencedPrediction;
use aprendiz_db::run_blocking;
use aprendiz_inference::{Model, NgramCounter, set_thresholds};
use aprendiz_run_spec::FinalFit;
use aprendiz_runs::AttemptId;
use aprendiz_text::count;
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::Evaluation;
use crate::pipeline::evaluate::card::champion::PREDICTIONS_FILE;
use crate::pipeline::evaluate::fields::calibration::{Calibrated, calibrate};
use crate::pipeline::evaluate::fields::model_card::MethodText;
use crate::pipeline::evaluate::fields::report::write_results;
use crate::pipeline::evaluate::fields::test_split::{Counted, TestScores, TestSplit, score_test_split};
use crate::pipeline::evaluate::linear::whole_fit::publish_whole_fit;
use crate::pipeline::evaluate::selection;
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::scratch::Scratch;

/// Evaluates the trained model and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    trained: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let (model, snapshot, reports, target) = (scratch.model(), scratch.snapshot(), scratch.reports(), trained.spec.target_accuracy());
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let slice_keys = trained.spec.slices().to_vec();
    let scoring = run_blocking(move || score(&model, &snapshot, &reports, target, &slice_keys, &cancelled));
    let (calibrated, scores) = scoring.await?;
    let words = "Words: runs of letters and digits; in scripts without blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), \
                 every character";
    let method = MethodText {
        model: "One softmax classifier per field on TF-IDF features of word and character n-grams".to_owned(),
        inputs: count(trained.summary.features, "feature"),
        reading: [selection::sentences(trained.summary), vec![words.to_owned()]].concat(),
        out_of_fold: "by models trained without the example, averaged over repeated partitions",
        unanswered: "A text without any known feature",
        files: "`model.safetensors` (features, weights)",
    };
    let measured = calibrated.fields.clone();
    let evaluation = write_results(deps, attempt, trained, &method, scratch, calibrated, scores).await?;
    if trained.final_fit() == FinalFit::All {
        let (whole, model) = (scratch.whole_model(), scratch.model());
        run_blocking(move || publish_whole_fit(&whole, &model, &measured)).await?;
    }
    Ok(evaluation)
}

/// Sets the thresholds of the model, then scores the test split.
fn score(
    model_dir: &Path,
    snapshot: &Path,
    reports: &Path,
    target: f64,
    slice_keys: &[String],
    cancelled: &CancellationToken,
) -> Result<(Calibrated, TestScores), Interruption> {
    let fields = Model::load_unpublished(model_dir)?.config().fields.clone();
    let set = |decisions: &_| Ok(set_thresholds(model_dir, decisions)?.fields);
    let calibrated = calibrate(model_dir, reports, target, &fields, cancelled, set)?;
    let model = Model::load_unpublished(model_dir)?;
    let mut counter = NgramCounter::new();
    let counted = Counted::read_labels(snapshot)?;
    let split = TestSplit { snapshot, counted: &counted, slice_keys };
    let scores = score_test_split(&calibrated.fields, &split, &model_dir.join(PREDICTIONS_FILE), cancelled, |example| {
        let predictions = model.predict_with(&mut counter, &example.text).into_iter();
        Ok(predictions.map(|prediction| EvidencedPrediction { prediction, evidence: None }).collect())
    })?;
    Ok((calibrated, scores))
}
