//! Resolves the base model of a run: from this host, from a published version, or from a hub if the operator allows it.

mod hub;
mod hub_client;

use std::path::Path;

use aprendiz_artifacts::{KeyOwner, parse_owner};
use aprendiz_encoder::{BaseModel, BaseModelCaches, EncoderError};
use aprendiz_run_spec::{BaseModelName, RunKind};
use aprendiz_runs::{AttemptId, ModelVersion, RunId, find_version, find_version_by_run};
use serde_json::{Value, json};

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::run_log::record_log;
use crate::pipeline::version_files::download_version_files;
use crate::retry::retry_on_outage;
use crate::scratch::Scratch;
use aprendiz_db::run_blocking;

/// A resolved base model.
#[derive(Debug, Clone)]
pub(crate) struct BaseModelRef {
    /// The name in the spec.
    pub(crate) name: BaseModelName,
    /// Its directory on this host, and its hash.
    pub(crate) model: BaseModel,
    /// Its published version, if it was trained here.
    pub(crate) version: Option<(String, i32)>,
}

impl BaseModelRef {
    /// The entry `base_model` of a model card.
    pub(crate) fn card(&self) -> Value {
        let version = self.version.as_ref().map(|(model, number)| json!({ "model": model, "number": number }));
        json!({ "name": self.name.to_string(), "sha256": self.model.hash, "version": version, "notes": self.model.notes })
    }
}

/// Ensures that the base model is on this host, downloading it if needed, and records its hash and everything that was assumed about it.
pub(crate) async fn ensure_base_model(
    deps: &Deps,
    attempt: AttemptId,
    name: &BaseModelName,
    scratch: &Scratch,
) -> Result<BaseModelRef, Interruption> {
    let version = match name {
        BaseModelName::Hub(_) | BaseModelName::Directory(_) => None,
        BaseModelName::Version(model, number) => {
            let found = retry_on_outage!(async { find_version(&mut *deps.database.read().await?, model.as_str(), Some(*number)).await })?;
            Some(found.ok_or_else(|| unknown_base_model(format!("base model `{name}` does not exist: no such version is published")))?)
        }
        BaseModelName::Bucket { bucket, prefix } => Some(find_version_at(deps, bucket, prefix).await?),
    };
    let (path, caches) = match (name, &version) {
        (_, Some(version)) => {
            download_version(deps, version, &scratch.base_model()).await?;
            (scratch.base_model().display().to_string(), BaseModelCaches::default())
        }
        (BaseModelName::Directory(path), None) => (allowed_directory(deps, path)?, BaseModelCaches::default()),
        (name, None) => (name.to_string(), deps.config.base_models.clone()),
    };
    let model = match find(path.clone(), caches.clone()).await {
        Err(EncoderError::UnknownBaseModel { .. }) if download_from_hub(deps, attempt, name).await? => find(path, caches).await,
        found => found,
    }?;
    let base = BaseModelRef { name: name.clone(), model, version: version.map(|version| (version.model, version.number)) };
    let event = json!({ "text": format!("starts from {}, sha256 {}", base.name, base.model.hash), "base_model": base.card() });
    record_log(&deps.database, attempt, &event).await?;
    for note in &base.model.notes {
        record_log(&deps.database, attempt, &json!({ "text": format!("base model {}: {note}", base.name) })).await?;
    }
    Ok(base)
}

async fn find(path: String, caches: BaseModelCaches) -> Result<BaseModel, EncoderError> {
    run_blocking(move || BaseModel::find(&path, &caches)).await
}

/// Downloads a model that no folder of this host contains, if a hub and a folder for base models are configured. Returns whether the model
/// is on this host now.
async fn download_from_hub(deps: &Deps, attempt: AttemptId, name: &BaseModelName) -> Result<bool, Interruption> {
    let (BaseModelName::Hub(name), Some(hub), Some(folder)) = (name, &deps.config.hub, &deps.config.base_models.weights) else {
        return Ok(false);
    };
    let Some((owner, model)) = aprendiz_encoder::hub_name(name) else { return Ok(false) };
    tracing::info!(base_model = name.as_str(), hub.endpoint, "downloading a base model");
    let Some(downloaded) = hub::download(hub, owner, model, folder).await? else { return Ok(true) };
    let text = format!("downloaded {owner}/{model} at commit {} from {}: {} bytes", downloaded.commit, hub.endpoint, downloaded.bytes);
    record_log(&deps.database, attempt, &json!({ "text": text })).await?;
    Ok(true)
}

/// The published version at a bucket prefix. A spec must not make the worker read anything else in the bucket.
async fn find_version_at(deps: &Deps, bucket: &str, prefix: &str) -> Result<ModelVersion, Interruption> {
    let url = format!("s3://{bucket}/{prefix}");
    let own_bucket = deps.store.bucket();
    if bucket != own_bucket {
        return Err(unknown_base_model(format!("base model `{url}` is in another bucket: use a version published in `{own_bucket}`")));
    }
    let not_published = || {
        unknown_base_model(format!(
            "base model `{url}` is not a published version: use the `object_prefix` of a version, or name it as models:/NAME/NUMBER"
        ))
    };
    let Some(KeyOwner::Attempt { run_id, .. }) = parse_owner(&format!("{prefix}/")) else { return Err(not_published()) };
    let found = retry_on_outage!(async { find_version_by_run(&mut *deps.database.read().await?, RunId(run_id)).await })?;
    found.filter(|version| version.object_prefix == prefix).ok_or_else(not_published)
}

async fn download_version(deps: &Deps, version: &ModelVersion, folder: &Path) -> Result<(), Interruption> {
    if version.card["kind"] != RunKind::SentenceTransformer.as_str() {
        let text = format!("{} version {} is not a sentence transformer and cannot be a base model", version.model, version.number);
        return Err(unknown_base_model(text));
    }
    if let Some(at) = version.files_deleted_at {
        return Err(unknown_base_model(format!("the files of {} version {} were deleted at {at}", version.model, version.number)));
    }
    download_version_files(deps, version, folder).await
}

/// Resolves links and checks that the directory is inside the folder of base models: a spec must not make the worker read other ones.
fn allowed_directory(deps: &Deps, path: &Path) -> Result<String, Interruption> {
    let base_models = deps.config.base_models.weights.as_ref();
    let refuse = |reason: &str| {
        let folder = base_models.map_or("none".to_owned(), |folder| folder.display().to_string());
        unknown_base_model(format!(
            "base model `{}` {reason}: a directory must be inside APRENDIZ_BASE_MODELS of the worker ({folder})",
            path.display()
        ))
    };
    let found = path.canonicalize().map_err(|error| refuse(&format!("cannot be read ({error})")))?;
    let folder = base_models.and_then(|folder| folder.canonicalize().ok());
    if folder.is_some_and(|folder| found.starts_with(folder)) { Ok(found.display().to_string()) } else { Err(refuse("is not allowed")) }
}

fn unknown_base_model(text: impl Into<String>) -> Interruption {
    Interruption::permanent("unknown_base_model", text)
}
