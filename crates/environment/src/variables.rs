//! Reading variables, and those that name other services.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use artifacts::StoreConfig;
use queue::QueueConfig;
use secrecy::{ExposeSecret as _, SecretString};

/// The variables of the process, or a stand-in for them in tests.
pub struct Environment<F = fn(&str) -> Option<String>>(F);

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(|name| std::env::var(name).ok())
    }
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// Variables as a function gives them.
    pub const fn of(variables: F) -> Self {
        Self(variables)
    }

    /// A variable, trimmed; `None` when unset or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A folder below the one in which this user's programs keep what can be had again: `$XDG_CACHE_HOME`, or `$HOME/.cache`. `None` for a
    /// user without either.
    pub fn cache_folder(&self, folder: &str) -> Option<PathBuf> {
        let path = |name: &str| self.text(name).map(PathBuf::from);
        Some(path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")))?.join(folder))
    }

    /// A secret from `NAME`, or from the file that `NAME_FILE` names.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<SecretString>> {
        if let Some(value) = self.text(name) {
            return Ok(Some(value.into()));
        }
        let variable = format!("{name}_FILE");
        let Some(path) = self.text(&variable) else {
            return Ok(None);
        };
        let value = std::fs::read_to_string(&path).with_context(|| format!("{variable}: cannot read {path}"))?;
        Ok(Some(value.trim().to_owned().into()))
    }

    /// A variable as a type, or its default.
    ///
    /// # Errors
    /// Names the variable, its value and what was expected.
    pub fn parsed<T: FromStr>(&self, name: &str, default: T, expected: &str) -> Result<T> {
        match self.text(name) {
            Some(value) => value.parse().map_err(|_| anyhow!("{name} is `{value}`: expected {expected}")),
            None => Ok(default),
        }
    }

    /// How to reach Redis: `REDIS_URL`, and `APRENDIZ_QUEUE_PREFIX` (default `aprendiz`).
    ///
    /// # Errors
    /// Names the variable.
    pub fn queue(&self) -> Result<QueueConfig> {
        let redis_url =
            self.secret("REDIS_URL")?.ok_or_else(|| anyhow!("REDIS_URL is not set: expected redis://[user:password@]host:port[/db]"))?;
        if !["redis://", "rediss://", "unix://", "redis+unix://"].iter().any(|scheme| redis_url.expose_secret().starts_with(scheme)) {
            bail!(
                "REDIS_URL cannot be used (its text is not shown, it may hold a password): expected redis://[user:password@]host:port[/db]"
            );
        }
        let prefix = self.text("APRENDIZ_QUEUE_PREFIX").unwrap_or_else(|| "aprendiz".to_owned());
        Ok(QueueConfig { redis_url, prefix })
    }

    /// Which bucket: `APRENDIZ_BUCKET`, and `APRENDIZ_BUCKET_PREFIX` (default none). Endpoint, region and credentials come from the
    /// SDK's own variables.
    ///
    /// # Errors
    /// Names the variable.
    pub fn store(&self) -> Result<StoreConfig> {
        let bucket = self
            .text("APRENDIZ_BUCKET")
            .ok_or_else(|| anyhow!("APRENDIZ_BUCKET is not set: expected the name of the S3 bucket for datasets and models"))?;
        let key_prefix = self.text("APRENDIZ_BUCKET_PREFIX").unwrap_or_default();
        let timeout: f64 = self.parsed("APRENDIZ_BUCKET_TIMEOUT_SECONDS", 30.0, "a number of seconds")?;
        if !(1.0..=3600.0).contains(&timeout) {
            bail!("APRENDIZ_BUCKET_TIMEOUT_SECONDS is {timeout}: expected 1 to 3600");
        }
        Ok(StoreConfig { bucket, key_prefix, timeout: Duration::from_secs_f64(timeout) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(pairs: &'a [(&'a str, &'a str)]) -> Environment<impl Fn(&str) -> Option<String> + 'a> {
        Environment::of(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(of(&[]).queue().unwrap_err().to_string().contains("REDIS_URL"));
        assert!(of(&[]).store().unwrap_err().to_string().contains("APRENDIZ_BUCKET"));
        assert!(of(&[]).database().unwrap_err().to_string().contains("DATABASE_URL"));
    }

    #[test]
    fn a_bad_url_never_shows_its_password() {
        let error = format!("{:?}", of(&[("DATABASE_URL", "mysql://me:hunter2@host/db")]).database().unwrap_err());
        assert!(error.contains("DATABASE_URL") && !error.contains("hunter2"), "{error}");
        let error = format!("{:?}", of(&[("REDIS_URL", "http://me:hunter2@host")]).queue().unwrap_err());
        assert!(error.contains("REDIS_URL") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_bad_value_names_its_variable_and_what_was_expected() {
        let error = of(&[("APRENDIZ_SLOTS", "two")]).parsed("APRENDIZ_SLOTS", 1, "a number of runs").unwrap_err().to_string();
        assert_eq!(error, "APRENDIZ_SLOTS is `two`: expected a number of runs");
    }
}
