//! Downloads the files of a published version into a folder; each is verified against its recorded hash.

use std::path::Path;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_inference::manifest::ManifestFile;
use aprendiz_runs::ModelVersion;

use crate::deps::Deps;
use crate::interruption::Interruption;

/// Downloads all files of a version but its manifest, whose hashes the database records as well.
pub(crate) async fn download_version_files(deps: &Deps, version: &ModelVersion, folder: &Path) -> Result<(), Interruption> {
    let broken = |reason: String| Interruption::broken_state(format!("files of {} version {}: {reason}", version.model, version.number));
    let files: Vec<ManifestFile> = serde_json::from_value(version.files.clone()).map_err(|error| broken(error.to_string()))?;
    let prefix = ObjectPrefix::stored(&version.object_prefix);
    for file in &files {
        let object_key = prefix.file(&file.path).map_err(|error| broken(error.to_string()))?;
        deps.store.download(&object_key, &folder.join(&file.path), &file.sha256).await?;
    }
    Ok(())
}
