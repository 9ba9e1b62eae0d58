//! Tags and notes of runs and model versions: what people write about them. Every change is an entry of the audit log.

use std::collections::BTreeMap;

use aprendiz_db::ensure_one_row;
use serde_json::{Value, json};
use sqlx::{Acquire as _, PgConnection};

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::{ModelVersionId, RunId};
use crate::registry::versions::ModelVersion;
use crate::run::training_run::lock_run;

/// Maximum number of tags of one run or version.
pub const MAX_TAGS: usize = 50;
/// Maximum length of a key, in characters.
const MAX_TAG_KEY_CHARS: usize = 100;
/// Maximum length of a value, in characters.
const MAX_TAG_VALUE_CHARS: usize = 500;
/// Maximum length of a note, in characters.
pub const MAX_NOTE_CHARS: usize = 10_000;

/// A change of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Tags to set; the value of a known key is replaced.
    pub set: BTreeMap<String, String>,
    /// Keys to remove; unknown ones are ignored.
    pub remove: Vec<String>,
}

/// What is tagged.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    Run(RunId),
    Version(&'a ModelVersion),
}

/// Changes the tags of a run. Returns all its tags.
///
/// # Errors
/// [`RunsError::UnknownRun`]; [`RunsError::InvalidLabel`] for a tag that is too long or empty, and for too many tags.
pub async fn tag_run(conn: &mut PgConnection, id: RunId, change: &TagChange, actor: &str) -> Result<BTreeMap<String, String>, RunsError> {
    change_tags(conn, Subject::Run(id), change, actor).await
}

/// Changes the tags of a model version. Returns all its tags.
///
/// # Errors
/// As [`tag_run`].
pub async fn tag_version(
    conn: &mut PgConnection,
    version: &ModelVersion,
    change: &TagChange,
    actor: &str,
) -> Result<BTreeMap<String, String>, RunsError> {
    change_tags(conn, Subject::Version(version), change, actor).await
}

/// Replaces the note of a run; a blank note removes it.
///
/// # Errors
/// [`RunsError::UnknownRun`], [`RunsError::InvalidLabel`].
pub async fn note_run(conn: &mut PgConnection, id: RunId, note: &str, actor: &str) -> Result<Option<String>, RunsError> {
    change_note(conn, Subject::Run(id), note, actor).await
}

/// Replaces the note of a model version; a blank note removes it.
///
/// # Errors
/// [`RunsError::InvalidLabel`].
pub async fn note_version(conn: &mut PgConnection, version: &ModelVersion, note: &str, actor: &str) -> Result<Option<String>, RunsError> {
    change_note(conn, Subject::Version(version), note, actor).await
}

async fn change_tags(
    conn: &mut PgConnection,
    subject: Subject<'_>,
    change: &TagChange,
    actor: &str,
) -> Result<BTreeMap<String, String>, RunsError> {
    for (key, value) in &change.set {
        validate_tag(key, value)?;
    }
    if let Some(key) = change.remove.iter().find(|key| change.set.contains_key(*key)) {
        return Err(RunsError::InvalidLabel(format!("tag `{key}` is both set and removed")));
    }
    let mut tx = conn.begin().await?;
    let (before, _) = subject.lock(&mut tx).await?;
    let before: BTreeMap<String, String> = serde_json::from_value(before).map_err(|error| subject.broken(&error.to_string()))?;
    let mut tags = before.clone();
    tags.extend(change.set.clone());
    tags.retain(|key, _| !change.remove.contains(key));
    if tags.len() > MAX_TAGS {
        return Err(RunsError::InvalidLabel(format!("{} tags: at most {MAX_TAGS} are possible; remove some first", tags.len())));
    }
    if tags != before {
        subject.write_tags(&mut tx, &json!(tags)).await?;
        let changed = |key: &String| before.get(key) != tags.get(key);
        let keys: Vec<&String> =
            before.keys().chain(tags.keys().filter(|key| !before.contains_key(*key))).filter(|key| changed(key)).collect();
        let changes: BTreeMap<&String, Value> =
            keys.into_iter().map(|key| (key, json!({ "from": before.get(key), "to": tags.get(key) }))).collect();
        record_audit(&mut tx, actor, &format!("{}.tag", subject.kind()), &subject.name(), &json!({ "tags": changes })).await?;
    }
    tx.commit().await?;
    Ok(tags)
}

async fn change_note(conn: &mut PgConnection, subject: Subject<'_>, note: &str, actor: &str) -> Result<Option<String>, RunsError> {
    let note = Some(note.trim()).filter(|note| !note.is_empty()).map(ToOwned::to_owned);
    let length = note.as_ref().map_or(0, |note| note.chars().count());
    if length > MAX_NOTE_CHARS {
        return Err(RunsError::InvalidLabel(format!("the note has {length} characters: at most {MAX_NOTE_CHARS} are possible")));
    }
    let mut tx = conn.begin().await?;
    let (_, before) = subject.lock(&mut tx).await?;
    if note != before {
        subject.write_note(&mut tx, note.as_deref()).await?;
        let details = json!({ "from": before, "to": note });
        record_audit(&mut tx, actor, &format!("{}.note", subject.kind()), &subject.name(), &details).await?;
    }
    tx.commit().await?;
    Ok(note)
}

fn validate_tag(key: &str, value: &str) -> Result<(), RunsError> {
    let reject = |what: String| Err(RunsError::InvalidLabel(what));
    if key.trim() != key || key.is_empty() || key.chars().any(char::is_control) || key.contains('=') {
        return reject(format!(
            "tag key `{}`: it must not be empty, contain `=` or control characters, or begin or end with a space",
            key.escape_debug()
        ));
    }
    if key.chars().count() > MAX_TAG_KEY_CHARS {
        return reject(format!("tag key `{key}` has {} characters: at most {MAX_TAG_KEY_CHARS} are possible", key.chars().count()));
    }
    let length = value.chars().count();
    if length > MAX_TAG_VALUE_CHARS {
        return reject(format!("the value of tag `{key}` has {length} characters: at most {MAX_TAG_VALUE_CHARS} are possible; use a note"));
    }
    Ok(())
}

impl Subject<'_> {
    /// Locks the row until the transaction ends, and returns its tags and its note.
    async fn lock(self, conn: &mut PgConnection) -> Result<(Value, Option<String>), RunsError> {
        match self {
            Self::Run(id) => {
                lock_run(conn, id).await?;
                let row = sqlx::query!("SELECT tags, note FROM training_runs WHERE id = $1", id as RunId).fetch_one(conn).await?;
                Ok((row.tags, row.note))
            }
            Self::Version(version) => {
                let row = sqlx::query!("SELECT tags, note FROM model_versions WHERE id = $1 FOR UPDATE", version.id as ModelVersionId)
                    .fetch_one(conn)
                    .await?;
                Ok((row.tags, row.note))
            }
        }
    }

    async fn write_tags(self, conn: &mut PgConnection, tags: &Value) -> Result<(), RunsError> {
        let written = match self {
            Self::Run(id) => sqlx::query!("UPDATE training_runs SET tags = $2 WHERE id = $1", id as RunId, tags).execute(conn).await?,
            Self::Version(version) => {
                sqlx::query!("UPDATE model_versions SET tags = $2 WHERE id = $1", version.id as ModelVersionId, tags).execute(conn).await?
            }
        };
        ensure_one_row(&written, || self.broken("the row disappeared"))
    }

    async fn write_note(self, conn: &mut PgConnection, note: Option<&str>) -> Result<(), RunsError> {
        let written = match self {
            Self::Run(id) => sqlx::query!("UPDATE training_runs SET note = $2 WHERE id = $1", id as RunId, note).execute(conn).await?,
            Self::Version(version) => {
                sqlx::query!("UPDATE model_versions SET note = $2 WHERE id = $1", version.id as ModelVersionId, note).execute(conn).await?
            }
        };
        ensure_one_row(&written, || self.broken("the row disappeared"))
    }

    /// Prefix of the action in the audit log.
    const fn kind(self) -> &'static str {
        match self {
            Self::Run(_) => "training_run",
            Self::Version(_) => "model_version",
        }
    }

    /// Subject in the audit log.
    fn name(self) -> String {
        match self {
            Self::Run(id) => id.to_string(),
            Self::Version(version) => format!("{}/{}", version.model, version.number),
        }
    }

    fn broken(self, what: &str) -> RunsError {
        let table = match self {
            Self::Run(_) => "training_runs",
            Self::Version(_) => "model_versions",
        };
        RunsError::BrokenRow { table, id: self.name(), what: format!("its tags or its note: {what}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_a_key_and_a_bounded_value() {
        validate_tag("stage", "").unwrap();
        validate_tag("région", "São Paulo").unwrap();
        for (key, value) in [("", "a"), (" a", "b"), ("a\nb", "c"), ("a=b", "c"), (&*"k".repeat(101), "v"), ("k", &*"v".repeat(501))] {
            assert!(validate_tag(key, value).is_err(), "{key} {value}");
        }
    }
}
