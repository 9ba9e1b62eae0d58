//! The weights that a run starts from: found on this host, or a published version fetched from the bucket; their hashes are checked and
//! recorded either way. From a hub they come only where the operator has named one.

use std::path::Path;

use ::artifacts::{ObjectPrefix, writer_of};
use encoder::{BaseModel, BaseModelCaches, EncoderError};
use inference::manifest::ManifestFile;
use runs::{
    AttemptKey, BaseModelName, EventKind, ModelVersion, RunId, RunKind, RunSpec, find_version, record_attempt_event, version_of_run,
};
use serde_json::{Value, json};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::hub;
use crate::pipeline::scratch::Scratch;

/// Weights to start from.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// As the spec names them.
    pub(crate) name: BaseModelName,
    /// Where they lie now, and their hash.
    pub(crate) found: BaseModel,
    /// The version they are, when they were trained here.
    pub(crate) version: Option<(String, i32)>,
}

impl Base {
    /// What the card of a model says about where it comes from.
    pub(crate) fn card(&self) -> Value {
        let version = self.version.as_ref().map(|(model, number)| json!({ "model": model, "number": number }));
        json!({ "name": self.name.to_string(), "sha256": self.found.hash, "version": version })
    }
}

/// Finds the base model of a run, fetches it where it is a published version, and records which one it is.
pub(crate) async fn provide(context: &WorkerContext, key: AttemptKey, spec: &RunSpec, scratch: &Scratch) -> Result<Base, Stop> {
    let name = spec.base_model().map_err(|error| unknown(error.to_string()))?;
    let version = match &name {
        BaseModelName::Hub(_) | BaseModelName::Directory(_) => None,
        BaseModelName::Version(model, number) => {
            let found = patiently!(async { find_version(&mut *context.pool.acquire().await?, model.as_str(), Some(*number)).await })?;
            Some(found.ok_or_else(|| unknown(format!("base model `{name}` is not there: no such version has been published")))?)
        }
        BaseModelName::Bucket { bucket, prefix } => Some(version_at(context, bucket, prefix).await?),
    };
    let (place, caches) = match (&name, &version) {
        (_, Some(version)) => {
            fetch(context, version, &scratch.base_model()).await?;
            (scratch.base_model().display().to_string(), BaseModelCaches::default())
        }
        (BaseModelName::Directory(path), None) => (allowed(context, path)?, BaseModelCaches::default()),
        (name, None) => (name.to_string(), context.config.base_models.clone()),
    };
    let found = match find(place.clone(), caches.clone()).await? {
        Err(EncoderError::UnknownBaseModel { .. }) if fetch_from_hub(context, key, &name).await? => find(place, caches).await?,
        found => found,
    }?;
    let base = Base { name, found, version: version.map(|version| (version.model, version.number)) };
    let note = json!({ "text": format!("starts from {}, sha256 {}", base.name, base.found.hash), "base_model": base.card() });
    patiently!(async { record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &note).await })?;
    Ok(base)
}

async fn find(place: String, caches: BaseModelCaches) -> Result<Result<BaseModel, EncoderError>, Stop> {
    let found = tokio::task::spawn_blocking(move || BaseModel::find(&place, &caches)).await;
    found.map_err(|error| Stop::retryable("scratch_unusable", error.to_string()))
}

/// Fetches a model that is in no folder of this host. Returns whether it is there now: only where the operator has named a hub, and a folder
/// to keep models in.
async fn fetch_from_hub(context: &WorkerContext, key: AttemptKey, name: &BaseModelName) -> Result<bool, Stop> {
    let (BaseModelName::Hub(name), Some(hub), Some(folder)) = (name, &context.config.hub, &context.config.base_models.weights) else {
        return Ok(false);
    };
    let Some((owner, model)) = encoder::hub_name(name) else { return Ok(false) };
    tracing::info!(base_model = name.as_str(), hub.endpoint, "fetching a base model");
    let Some(fetched) = hub::fetch(hub, owner, model, folder).await? else { return Ok(true) };
    let text = format!("fetched {owner}/{model} at commit {} from {}: {} bytes", fetched.commit, hub.endpoint, fetched.bytes);
    let note = json!({ "text": text });
    patiently!(async { record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &note).await })?;
    Ok(true)
}

/// The published version whose files lie at a place in the bucket: nothing else in it is read on a user's word.
async fn version_at(context: &WorkerContext, bucket: &str, prefix: &str) -> Result<ModelVersion, Stop> {
    let place = format!("s3://{bucket}/{prefix}");
    let own = context.store.bucket();
    if bucket != own {
        return Err(unknown(format!("base model `{place}` is in another bucket: only published versions in `{own}` can be started from")));
    }
    let not_published = || {
        unknown(format!(
            "base model `{place}` is no place of a published version: `object_prefix` of a version says its place, or name it as models:/NAME/NUMBER"
        ))
    };
    let (run_id, _) = writer_of(&format!("{prefix}/")).ok_or_else(not_published)?;
    let found = patiently!(async { version_of_run(&mut *context.pool.acquire().await?, RunId(run_id)).await })?;
    found.filter(|version| version.object_prefix == prefix).ok_or_else(not_published)
}

async fn fetch(context: &WorkerContext, version: &ModelVersion, dir: &Path) -> Result<(), Stop> {
    if version.card["kind"] != RunKind::SentenceTransformer.as_str() {
        let text = format!("{} version {} is no sentence transformer and cannot be started from", version.model, version.number);
        return Err(unknown(text));
    }
    let broken =
        |reason: String| Stop::permanent("broken_state", format!("files of {} version {}: {reason}", version.model, version.number));
    let files: Vec<ManifestFile> = serde_json::from_value(version.files.clone()).map_err(|error| broken(error.to_string()))?;
    let prefix = ObjectPrefix::stored(&version.object_prefix);
    for file in &files {
        let key = prefix.file(&file.path).map_err(|error| broken(error.to_string()))?;
        context.store.download(&key, &dir.join(&file.path), &file.sha256).await?;
    }
    Ok(())
}

/// A directory that the operator has put among the base models, wherever links lead; a spec must not make a worker read others.
fn allowed(context: &WorkerContext, path: &Path) -> Result<String, Stop> {
    let refuse = |why: &str| {
        let folder = context.config.base_models.weights.as_ref().map_or("none".to_owned(), |folder| folder.display().to_string());
        unknown(format!("base model `{}` {why}: a directory must lie within APRENDIZ_BASE_MODELS of the worker ({folder})", path.display()))
    };
    let found = path.canonicalize().map_err(|error| refuse(&format!("cannot be read ({error})")))?;
    let folder = context.config.base_models.weights.as_ref().and_then(|folder| folder.canonicalize().ok());
    if folder.is_some_and(|folder| found.starts_with(folder)) { Ok(found.display().to_string()) } else { Err(refuse("is not allowed")) }
}

fn unknown(text: impl Into<String>) -> Stop {
    Stop::permanent("unknown_base_model", text)
}

impl From<EncoderError> for Stop {
    fn from(error: EncoderError) -> Self {
        match error.code() {
            "io" => Self::retryable("io", error.to_string()),
            code => Self::permanent(code, error.to_string()),
        }
    }
}
