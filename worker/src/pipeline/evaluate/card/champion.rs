//! Compares a trained model with the champion of its name, on the test documents that both have in common.
//!
//! The API compares published versions in the same way (`api/models/comparison`); both pair the stored predictions themselves and share the
//! statistics of `aprendiz-evaluation`.

use aprendiz_db::Scope;
use std::collections::BTreeMap;
use std::path::Path;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_db::run_blocking;
use aprendiz_evaluation::{Label, MetricDifference, PairedAnswer, PairedExample, Resampling, compare};
use aprendiz_inference::manifest::ManifestFile;
use aprendiz_runs::{CHAMPION, ModelVersion, RunsError, find_alias, find_version, get_dataset};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::evaluate::json_lines::for_each_line;
use crate::pipeline::evaluate::plots::difference::Difference;
use crate::retry::retry_on_outage;

/// File with the predictions for the test split.
pub(crate) const PREDICTIONS_FILE: &str = "test_predictions.jsonl";
/// Size limit of the predictions of the champion, as in the comparison of the API.
const MAX_BYTES: u64 = 64 << 20;

/// The comparison with the champion at the time of the training.
#[derive(Debug, Serialize)]
pub(crate) struct ChampionComparison {
    /// Number of the champion.
    pub(crate) number: i32,
    /// Why nothing was compared; null if it was.
    pub(crate) omitted: Option<String>,
    /// Fields of both models.
    pub(crate) fields: Vec<ComparedField>,
}

/// The comparison of one field. Differences are those of the trained model minus those of the champion.
#[derive(Debug, Serialize)]
pub(crate) struct ComparedField {
    pub(crate) field: String,
    /// Independent common examples.
    pub(crate) n: u64,
    pub(crate) examples: u64,
    pub(crate) p_value: f64,
    pub(crate) metrics: Vec<MetricDifference>,
}

impl ChampionComparison {
    /// The differences of the accuracy, for a plot.
    pub(crate) fn differences(&self) -> Vec<Difference> {
        let difference = |field: &ComparedField| {
            let accuracy = field.metrics.iter().find(|metric| metric.metric == "accuracy")?;
            Some(Difference { field: field.field.clone(), n: field.n, difference: accuracy.difference?, interval: accuracy.interval })
        };
        self.fields.iter().filter_map(difference).collect()
    }
}

/// Compares the model with the champion of its name; `None` without a champion. What prevents the comparison is part of its result: the
/// model can be published without it.
pub(crate) async fn compare_with_champion(
    deps: &Deps,
    model: &str,
    position: i64,
    own_predictions: &Path,
    folder: &Path,
) -> Result<Option<ChampionComparison>, Interruption> {
    let Some((champion, champion_position)) = retry_on_outage!(find_champion(deps, model))? else { return Ok(None) };
    let champion_predictions = folder.join("champion_predictions.jsonl");
    if let Err(reason) = download(deps, &champion, &champion_predictions).await {
        tracing::warn!(
            model.name = model,
            model.number = champion.number,
            reason,
            "the model card does without the comparison with the champion"
        );
        return Ok(Some(ChampionComparison { number: champion.number, omitted: Some(reason), fields: Vec::new() }));
    }
    let own_predictions = own_predictions.to_owned();
    let cancelled = CancellationToken::new();
    let _cancel_on_drop = cancelled.clone().drop_guard();
    let comparing = run_blocking(move || {
        let champion = read_predictions(&champion_predictions, &cancelled)?;
        let own = read_predictions(&own_predictions, &cancelled)?;
        Ok::<_, Interruption>(compare_fields(&champion, &own, position >= champion_position))
    });
    let fields = comparing.await?;
    let omitted = fields.is_empty().then(|| "the test splits of both have no field in common".to_owned());
    Ok(Some(ChampionComparison { number: champion.number, omitted, fields }))
}

/// The champion, and the position of its snapshot.
async fn find_champion(deps: &Deps, model: &str) -> Result<Option<(ModelVersion, i64)>, RunsError> {
    let mut conn = deps.database.read().await?;
    let Some(alias) = find_alias(&mut conn, model, CHAMPION).await? else { return Ok(None) };
    let Some(version) = find_version(&mut conn, model, Some(alias.number)).await? else { return Ok(None) };
    let dataset = get_dataset(&mut conn, &Scope::All, version.dataset_id).await?;
    Ok(dataset.map(|dataset| (version, dataset.position)))
}

/// Downloads the predictions of the champion and verifies their hash, or says why not.
async fn download(deps: &Deps, champion: &ModelVersion, path: &Path) -> Result<(), String> {
    let files: Vec<ManifestFile> =
        serde_json::from_value(champion.files.clone()).map_err(|error| format!("its list of files cannot be read: {error}"))?;
    let file = files.iter().find(|file| file.path == PREDICTIONS_FILE);
    let file = file.ok_or_else(|| format!("the champion has no {PREDICTIONS_FILE}"))?;
    if file.bytes > MAX_BYTES {
        return Err(format!("its {PREDICTIONS_FILE} has {} bytes: more than {MAX_BYTES} are not compared", file.bytes));
    }
    let key = ObjectPrefix::stored(&champion.object_prefix).file(PREDICTIONS_FILE).map_err(|error| error.to_string())?;
    deps.store.download(&key, path, &file.sha256).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// A stored prediction for one field of one test document.
#[derive(Deserialize)]
struct TestPrediction {
    document_id: String,
    #[serde(default)]
    group: Option<String>,
    field: String,
    gold: Label,
    value: Label,
    answered: bool,
}

/// By field, then document.
type Predictions = BTreeMap<String, BTreeMap<String, TestPrediction>>;

fn read_predictions(path: &Path, cancelled: &CancellationToken) -> Result<Predictions, Interruption> {
    let mut fields = Predictions::new();
    for_each_line(path, cancelled, |prediction: TestPrediction| {
        fields.entry(prediction.field.clone()).or_default().insert(prediction.document_id.clone(), prediction);
        Ok(())
    })?;
    Ok(fields)
}

/// Compares the fields of both. Where an accepted value was changed between the snapshots, the later one counts.
fn compare_fields(champion: &Predictions, own: &Predictions, own_is_later: bool) -> Vec<ComparedField> {
    let answer = |prediction: &TestPrediction| PairedAnswer { predicted: prediction.value.clone(), answered: prediction.answered };
    let field = |(name, own): (&String, &BTreeMap<String, TestPrediction>)| {
        let champion = champion.get(name)?;
        let pair = |(document, own): (&String, &TestPrediction)| {
            let champion = champion.get(document)?;
            let later = if own_is_later { own } else { champion };
            Some(PairedExample { gold: later.gold.clone(), baseline: answer(champion), candidate: answer(own), group: later.group.clone() })
        };
        let examples: Vec<PairedExample> = own.iter().filter_map(pair).collect();
        if examples.is_empty() {
            return None;
        }
        let compared = compare(&examples, Resampling::default());
        // what is answered depends on thresholds, which can be changed after the publication
        let metrics = compared.metrics.into_iter().filter(|metric| !["coverage", "selective_accuracy"].contains(&metric.metric.as_str()));
        Some(ComparedField {
            field: name.clone(),
            n: compared.n,
            examples: compared.examples,
            p_value: compared.p_value,
            metrics: metrics.collect(),
        })
    };
    own.iter().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(given: &[(&str, &str, &str)]) -> Predictions {
        let prediction = |(document, gold, value): &(&str, &str, &str)| {
            let prediction = TestPrediction {
                document_id: (*document).to_owned(),
                group: None,
                field: "law".to_owned(),
                gold: Some((*gold).to_owned()),
                value: Some((*value).to_owned()),
                answered: true,
            };
            ((*document).to_owned(), prediction)
        };
        [("law".to_owned(), given.iter().map(prediction).collect())].into()
    }

    #[test]
    fn only_common_documents_are_compared_with_the_later_value() {
        let champion = predictions(&[("1", "a", "a"), ("2", "a", "b"), ("3", "a", "a")]);
        let own = predictions(&[("2", "b", "b"), ("3", "a", "a"), ("4", "a", "a")]);
        let accuracy = |own_is_later| {
            let fields = compare_fields(&champion, &own, own_is_later);
            let metric = fields[0].metrics[0].clone();
            (fields[0].examples, metric.metric, metric.baseline, metric.candidate)
        };
        assert_eq!(accuracy(true), (2, "accuracy".to_owned(), Some(1.0), Some(1.0)));
        assert_eq!(accuracy(false), (2, "accuracy".to_owned(), Some(0.5), Some(0.5)));
        assert!(compare_fields(&champion, &predictions(&[("9", "a", "a")]), true).is_empty());
        assert!(compare_fields(&Predictions::new(), &own, true).is_empty());
    }
}
