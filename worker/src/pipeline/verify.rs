//! Verification of a published version: its files are compared with those of a training that was repeated. Nothing is published.

use std::collections::BTreeMap;

use aprendiz_dataset::Dataset;
use aprendiz_db::{Database, run_blocking};
use aprendiz_inference::manifest::{self, Build, MANIFEST_FILE, ManifestFile};
use aprendiz_runs::{
    AttemptId, DatasetId, DifferingFile, ModelVersion, NewMetric, RunsError, TrainingRun, Verification, VerificationResult,
    find_version_by_id,
};

use crate::build_info::build;
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::base_model::BaseModelRef;
use crate::retry::retry_on_outage;
use crate::scratch::Scratch;

/// Files that are not compared: the model card names the run and compares with the champion of its time, and the manifest names the build.
const NOT_COMPARED: [&str; 4] = ["README.md", "card.json", "card.html", MANIFEST_FILE];

/// The plots of the model card, which are not compared either.
const PLOTS_FOLDER: &str = "plots/";

/// The version that a run verifies, if it does.
pub(crate) async fn find_verified_version(deps: &Deps, run: &TrainingRun) -> Result<Option<ModelVersion>, Interruption> {
    let Some(id) = run.verifies_version_id else { return Ok(None) };
    let found = retry_on_outage!(async { find_version_by_id(&mut *deps.database.read().await?, id).await })?;
    let missing = || Interruption::broken_state(format!("run {} verifies model version {id}, which does not exist", run.id));
    found.map(Some).ok_or_else(missing)
}

/// Why a repeated training could not give the same bytes, before anything is trained; `None` if it could.
pub(crate) fn find_obstacle(version: &ModelVersion, dataset: &Dataset, base: Option<&BaseModelRef>) -> Option<String> {
    if version.dataset_id.0 != dataset.id {
        return Some(format!(
            "the snapshot was rebuilt: version {} was trained on snapshot {}, whose content was erased, and the same selection gives \
             snapshot {} now",
            version.number, version.dataset_id, dataset.id
        ));
    }
    let kernel = aprendiz_training::cpu_kernel();
    if let Some(published) = version.card["cpu_kernel"].as_str().filter(|published| *published != kernel) {
        return Some(format!(
            "another CPU kernel, which rounds differently: the version was trained with {published}, and this worker has {kernel}"
        ));
    }
    let published = version.card["base_model"]["sha256"].as_str()?;
    let base = base?;
    (published != base.model.hash).then(|| {
        format!(
            "the base model {} was changed: its hash was {published} when the version was trained, and is {} now",
            base.name, base.model.hash
        )
    })
}

/// Records that the version cannot be compared.
pub(crate) async fn publish_obstacle(
    database: &Database,
    attempt: AttemptId,
    version: &ModelVersion,
    reason: String,
) -> Result<(), Interruption> {
    let verification = Verification::not_comparable(reason);
    Ok(retry_on_outage!(publish(database, attempt, version, None, &verification, &[]))?)
}

/// Compares the files of the scratch folder with the published ones, and records the outcome.
pub(crate) async fn publish_comparison(
    database: &Database,
    attempt: AttemptId,
    version: &ModelVersion,
    dataset: &Dataset,
    metrics: &[NewMetric],
    scratch: &Scratch,
) -> Result<(), Interruption> {
    let published: Vec<ManifestFile> = serde_json::from_value(version.files.clone()).map_err(Interruption::broken_state)?;
    let folder = scratch.model();
    let trained = run_blocking(move || manifest::write(&folder)).await?;
    let verification =
        compare(&published, &trained.files, version.build.as_ref().and_then(|build| serde_json::from_value(build.clone()).ok()));
    tracing::info!(model.name = version.model, model.number = version.number, result = ?verification.result, "model version verified");
    let dataset = DatasetId(dataset.id);
    Ok(retry_on_outage!(publish(database, attempt, version, Some(dataset), &verification, metrics))?)
}

/// Compares the hashes of both sides. A file that only one side has differs.
fn compare(published: &[ManifestFile], trained: &[ManifestFile], published_by: Option<Build>) -> Verification {
    type Hashes = (Option<String>, Option<String>);
    let mut hashes: BTreeMap<&str, Hashes> = BTreeMap::new();
    for file in published {
        hashes.entry(&file.path).or_default().0 = Some(file.sha256.clone());
    }
    for file in trained {
        hashes.entry(&file.path).or_default().1 = Some(file.sha256.clone());
    }
    hashes.retain(|path, _| !NOT_COMPARED.contains(path) && !path.starts_with(PLOTS_FOLDER));
    let compared = hashes.len();
    let differing = hashes.into_iter().filter(|(_, (published, trained))| published != trained);
    let files: Vec<DifferingFile> =
        differing.map(|(path, (published, trained))| DifferingFile { path: path.to_owned(), published, trained }).collect();
    let result = if files.is_empty() { VerificationResult::Identical } else { VerificationResult::Different };
    let reasons = if files.is_empty() { Vec::new() } else { other_build(published_by, &build()).into_iter().collect() };
    Verification { result, compared, files, reasons }
}

/// The difference between the builds, which may be the cause of different files.
fn other_build(published: Option<Build>, current: &Build) -> Option<String> {
    let Some(published) = published else {
        return Some("the version does not record the build that trained it, which may be another one".to_owned());
    };
    let name = |build: &Build| {
        let changes = if build.dirty == Some(true) { " with changes that are not committed" } else { "" };
        format!("{} of git revision {}{changes}", build.version, build.git_revision)
    };
    let is_certain = published.dirty == Some(false) && current.dirty == Some(false);
    match (published == *current, is_certain) {
        (true, true) => None,
        (true, false) => Some(format!("both were trained by {}, which does not determine the sources", name(current))),
        (false, _) => Some(format!("another build: the version was trained by {}, and this worker is {}", name(&published), name(current))),
    }
}

/// A cut connection may hide that the run has succeeded already; the retry then finds the lease gone.
async fn publish(
    database: &Database,
    attempt: AttemptId,
    version: &ModelVersion,
    trained_on: Option<DatasetId>,
    verification: &Verification,
    metrics: &[NewMetric],
) -> Result<(), RunsError> {
    let mut tx = database.begin().await?;
    match aprendiz_runs::publish_verification(&mut tx, attempt, version.id, trained_on, verification, metrics).await {
        Err(RunsError::LeaseLost { .. }) if aprendiz_runs::has_succeeded(&mut tx, attempt).await? => {}
        published => published?,
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, sha256: &str) -> ManifestFile {
        ManifestFile { path: path.to_owned(), bytes: 1, sha256: sha256.to_owned() }
    }

    #[test]
    fn the_model_card_may_differ_and_no_other_file() {
        let published = [file("README.md", "a"), file("config.json", "b"), file("model.safetensors", "c")];
        let trained = [file("README.md", "x"), file("config.json", "b"), file("model.safetensors", "c")];
        let same = compare(&published, &trained, None);
        assert_eq!((same.result, same.compared, same.reasons.len()), (VerificationResult::Identical, 2, 0));

        let trained = [file("config.json", "y"), file("new.json", "z")];
        let different = compare(&published, &trained, Some(build()));
        assert_eq!(different.result, VerificationResult::Different);
        let files: Vec<(&str, Option<&str>, Option<&str>)> =
            different.files.iter().map(|file| (file.path.as_str(), file.published.as_deref(), file.trained.as_deref())).collect();
        assert_eq!(files, [("config.json", Some("b"), Some("y")), ("model.safetensors", Some("c"), None), ("new.json", None, Some("z"))]);
    }

    #[test]
    fn another_build_is_named_as_the_reason() {
        let build = |revision: &str, dirty| Build { version: "0.1.0".to_owned(), git_revision: revision.to_owned(), dirty };
        let current = build("b", Some(false));
        assert_eq!(other_build(Some(current.clone()), &current), None);
        assert!(other_build(Some(build("a", Some(false))), &current).unwrap().contains("another build"));
        assert!(other_build(Some(build("b", Some(true))), &build("b", Some(true))).unwrap().contains("does not determine"));
        assert!(other_build(None, &current).unwrap().contains("does not record"));
    }
}
