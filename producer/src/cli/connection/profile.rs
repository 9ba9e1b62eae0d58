//! Profiles: a URL and an API key under a name, in the configuration directory of the user.
//!
//! `config.json` has the URLs. Each key is in a file of its own with mode 600; a file that others can read is refused.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aprendiz_config::Environment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// Profile that is used if none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";
/// Access for the owner only.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// The profiles of the user.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    directory: PathBuf,
    config: Config,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A stored profile, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// URL of the API.
    pub(crate) url: String,
}

impl Profiles {
    /// Reads the profiles; a missing file has none.
    pub(crate) fn read<F: Fn(&str) -> Option<String>>(env: &Environment<F>) -> Result<Self> {
        let path = |name: &str| env.text(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let Some(base) = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config"))) else {
            return Ok(Self { directory: PathBuf::new(), config: Config::default() });
        };
        let directory = base.join("aprendiz");
        let file = directory.join("config.json");
        let config = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("cannot read {}: edit or remove it", file.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Config::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { directory, config })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.config.profiles.get(name)
    }

    /// Names of all profiles, for messages.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.config.profiles.keys().map(String::as_str).collect()
    }

    /// The file of the key of a profile.
    pub(crate) fn key_file(&self, name: &str) -> PathBuf {
        self.directory.join("keys").join(name)
    }

    /// The key of a profile; `None` = it has none.
    pub(crate) fn key(&self, name: &str) -> Result<Option<SecretString>> {
        check_name(name)?;
        let file = self.key_file(name);
        let metadata = match std::fs::metadata(&file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot access {}", file.display())),
        };
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            bail!(
                "{file} can be read by others (mode {mode:o}), so the API key in it is not used: run `chmod 600 {file}`, and replace the key if \
                 others may have read it",
                file = file.display()
            );
        }
        let key = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Some(key.trim().to_owned()).filter(|key| !key.is_empty()).map(SecretString::from))
    }

    /// Stores a profile and its key.
    pub(crate) fn store(&mut self, name: &str, profile: Profile, key: &SecretString) -> Result<()> {
        check_name(name)?;
        if self.directory.as_os_str().is_empty() {
            bail!("there is no directory for profiles: set HOME or XDG_CONFIG_HOME");
        }
        let file = self.key_file(name);
        self.write(&file, key.expose_secret().as_bytes())?;
        self.config.profiles.insert(name.to_owned(), profile);
        self.write_config()
    }

    /// Removes a profile and its key. Returns whether it existed.
    pub(crate) fn remove(&mut self, name: &str) -> Result<bool> {
        check_name(name)?;
        let file = self.key_file(name);
        // the key first: a profile without a key is harmless, a key without a profile is forgotten
        let had_key = match std::fs::remove_file(&file) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error).with_context(|| format!("cannot remove {}", file.display())),
        };
        let existed = self.config.profiles.remove(name).is_some();
        if existed {
            self.write_config()?;
        }
        Ok(existed || had_key)
    }

    fn write_config(&self) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(&self.config)?;
        text.push(b'\n');
        self.write(&self.directory.join("config.json"), &text)
    }

    /// Writes a whole private file, or leaves the old one.
    fn write(&self, file: &Path, content: &[u8]) -> Result<()> {
        let parent = file.parent().unwrap_or(&self.directory);
        let failed = || format!("cannot write {}", file.display());
        DirBuilder::new().recursive(true).mode(PRIVATE_DIRECTORY).create(parent).with_context(failed)?;
        // created with mode 600, before it has any content
        let mut staged = tempfile::Builder::new()
            .prefix(".aprendiz-")
            .permissions(Permissions::from_mode(PRIVATE_FILE))
            .tempfile_in(parent)
            .with_context(failed)?;
        staged.write_all(content).and_then(|()| staged.as_file().sync_all()).with_context(failed)?;
        staged.persist(file).map_err(|error| error.error).with_context(failed)?;
        Ok(())
    }
}

/// Rejects names that are no plain file name.
fn check_name(name: &str) -> Result<()> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !is_plain || name.is_empty() || name.len() > 64 || name.starts_with('.') {
        bail!("invalid profile name `{name}`: expected 1 to 64 letters, digits, `-`, `_` or `.`, not starting with `.`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path) -> Environment<impl Fn(&str) -> Option<String>> {
        let home = home.to_str().unwrap().to_owned();
        Environment::from_fn(move |name: &str| (name == "XDG_CONFIG_HOME").then(|| home.clone()))
    }

    #[test]
    fn profiles_are_stored_privately_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let env = environment(home.path());
        let mut profiles = Profiles::read(&env).unwrap();
        assert!(profiles.names().is_empty() && profiles.key("prod").unwrap().is_none());
        profiles.store("prod", Profile { url: "https://a.example".to_owned() }, &"apz_1".into()).unwrap();
        let mut profiles = Profiles::read(&env).unwrap();
        assert_eq!(profiles.get("prod").unwrap().url, "https://a.example");
        assert_eq!(profiles.key("prod").unwrap().unwrap().expose_secret(), "apz_1");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let file = profiles.key_file("prod");
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        assert!(profiles.remove("prod").unwrap() && !profiles.remove("prod").unwrap());
        assert!(!file.exists() && Profiles::read(&env).unwrap().names().is_empty());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut profiles = Profiles::read(&environment(home.path())).unwrap();
        profiles.store("prod", Profile { url: "https://a.example".to_owned() }, &"apz_1".into()).unwrap();
        std::fs::set_permissions(profiles.key_file("prod"), Permissions::from_mode(0o640)).unwrap();
        let error = profiles.key("prod").unwrap_err().to_string();
        assert!(error.contains("mode 640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        for name in ["", "../x", "a/b", ".x", "a b", "é"] {
            assert!(check_name(name).unwrap_err().to_string().contains("invalid profile name"), "{name}");
        }
        assert!(check_name("prod-2.eu_west").is_ok());
    }
}
