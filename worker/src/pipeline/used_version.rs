//! The published version that a run evaluates or predicts with. The API checks the same when the run is created.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{ModelVersion, find_version};
use chrono::SecondsFormat;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::retry::retry_on_outage;

/// What a run does with the version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VersionUse {
    /// The kinds for which it can be done.
    pub(crate) kinds: &'static [RunKind],
    /// The error code for another kind.
    pub(crate) wrong_kind: &'static str,
    /// What to do instead, such as `evaluate another version`.
    pub(crate) instead: &'static str,
}

/// The version, if it can be used.
pub(crate) async fn find_used_version(deps: &Deps, model: &str, number: i32, usage: VersionUse) -> Result<ModelVersion, Interruption> {
    let found = retry_on_outage!(async { find_version(&mut *deps.database.read().await?, model, Some(number)).await })?;
    let version = found.ok_or_else(|| Interruption::permanent("unknown_version", format!("model `{model}` has no version {number}")))?;
    match find_obstacle(&version, usage) {
        Some((code, text)) => Err(Interruption::permanent(code, text)),
        None => Ok(version),
    }
}

/// Why the version cannot be used: an error code and a text.
fn find_obstacle(version: &ModelVersion, usage: VersionUse) -> Option<(&'static str, String)> {
    let (name, instead) = (format!("model `{}` version {}", version.model, version.number), usage.instead);
    if let Some(at) = version.files_deleted_at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Some(("files_deleted", format!("the files of {name} were deleted at {at}: {instead}")));
    }
    if let Some(at) = version.retired_at {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Some(("version_retired", format!("{name} was retired at {at} and answers nothing: {instead}")));
    }
    let kind = version.card["kind"].as_str().unwrap_or("unknown");
    if usage.kinds.iter().any(|allowed| allowed.as_str() == kind) {
        return None;
    }
    let kinds: Vec<String> = usage.kinds.iter().map(|kind| format!("`{kind}`")).collect();
    Some((usage.wrong_kind, format!("{name} is of kind `{kind}`, and must be of kind {}: {instead}", kinds.join(" or "))))
}
