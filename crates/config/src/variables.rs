//! Access to environment variables, and the settings of Redis and S3.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use aprendiz_artifacts::StoreConfig;
use aprendiz_queue::{ClientCertificate, QueueConfig, RedisUrlError};
use secrecy::SecretString;

/// How special characters are written in the user name and the password of a URL.
pub(crate) const PERCENT_ENCODING: &str = "in user name and password, write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F and % as %25";

/// Source of variables: the process environment, or a function in tests.
pub struct Environment<F = fn(&str) -> Option<String>>(F);

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn process() -> Self {
        Self(|name| std::env::var(name).ok())
    }
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// An environment that looks variables up with a function.
    pub const fn from_fn(variables: F) -> Self {
        Self(variables)
    }

    /// The trimmed value of a variable, or `None` if it is unset or empty.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A subdirectory of the user's cache directory (`$XDG_CACHE_HOME`, or `$HOME/.cache`), or `None` if neither variable is set.
    pub fn cache_dir(&self, name: &str) -> Option<PathBuf> {
        let path = |variable: &str| self.text(variable).map(PathBuf::from);
        Some(path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")))?.join(name))
    }

    /// Reads a secret from `NAME`, or from the file whose path is in `NAME_FILE`.
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

    /// Parses a variable, or returns the default if it is not set.
    ///
    /// # Errors
    /// The value does not parse. The message names the variable, its value and `expected`.
    pub fn parsed<T: FromStr>(&self, name: &str, default: T, expected: &str) -> Result<T> {
        match self.text(name) {
            Some(value) => value.parse().map_err(|_| anyhow!("{name} is `{value}`: expected {expected}")),
            None => Ok(default),
        }
    }

    /// Reads `REDIS_URL`, `APRENDIZ_QUEUE_PREFIX` (default `aprendiz`), `REDIS_CLIENT_CERT` and `REDIS_CLIENT_KEY` (default none).
    ///
    /// # Errors
    /// `REDIS_URL` is missing, or a variable is invalid. The message never shows the URL.
    pub fn queue(&self) -> Result<QueueConfig> {
        const EXPECTED: &str = "expected redis://[user:password@]host:port[/database], or rediss:// for TLS";
        let redis_url = self.secret("REDIS_URL")?.ok_or_else(|| anyhow!("REDIS_URL is not set: {EXPECTED}"))?;
        let certificate = match (self.secret("REDIS_CLIENT_CERT")?, self.secret("REDIS_CLIENT_KEY")?) {
            (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
            (None, None) => None,
            (Some(_), None) => bail!("REDIS_CLIENT_CERT is set without REDIS_CLIENT_KEY: set both, or the two with _FILE"),
            (None, Some(_)) => bail!("REDIS_CLIENT_KEY is set without REDIS_CLIENT_CERT: set both, or the two with _FILE"),
        };
        let prefix = self.text("APRENDIZ_QUEUE_PREFIX").unwrap_or_else(|| "aprendiz".to_owned());
        QueueConfig::new(&redis_url, prefix, certificate.as_ref()).map_err(|error| match error {
            RedisUrlError::Certificate => anyhow!("REDIS_CLIENT_CERT or REDIS_CLIENT_KEY is invalid: {error}"),
            RedisUrlError::CertificateWithoutTls => anyhow!("REDIS_CLIENT_CERT is set, but REDIS_URL does not use TLS: {error}"),
            _ => anyhow!("REDIS_URL is invalid (value hidden, it may contain a password): {error}; {EXPECTED}; {PERCENT_ENCODING}"),
        })
    }

    /// Reads `APRENDIZ_BUCKET`, `APRENDIZ_BUCKET_PREFIX` (default none) and `APRENDIZ_BUCKET_TIMEOUT_SECONDS` (default 30). Endpoint,
    /// region and credentials come from the variables of the AWS SDK.
    ///
    /// # Errors
    /// A variable is missing or invalid. The message names it.
    pub fn store(&self) -> Result<StoreConfig> {
        let bucket = self
            .text("APRENDIZ_BUCKET")
            .ok_or_else(|| anyhow!("APRENDIZ_BUCKET is not set: expected the name of the S3 bucket that stores datasets and models"))?;
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

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> Environment<impl Fn(&str) -> Option<String> + 'a> {
        Environment::from_fn(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn missing_variables_are_named() {
        assert!(env(&[]).queue().unwrap_err().to_string().contains("REDIS_URL"));
        assert!(env(&[]).store().unwrap_err().to_string().contains("APRENDIZ_BUCKET"));
        assert!(env(&[]).database().unwrap_err().to_string().contains("DATABASE_URL"));
    }

    #[test]
    fn errors_never_show_the_password_of_a_url() {
        let error = format!("{:?}", env(&[("DATABASE_URL", "mysql://me:hunter2@host/db")]).database().unwrap_err());
        assert!(error.contains("DATABASE_URL") && !error.contains("hunter2"), "{error}");
        let error = format!("{:?}", env(&[("REDIS_URL", "http://me:hunter2@host")]).queue().unwrap_err());
        assert!(error.contains("REDIS_URL") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_password_with_special_characters_is_refused_with_the_way_out() {
        for url in ["redis://:p#a@s/s%41@127.0.0.1:23701", "redis://me:12/hunter2@host", "redis://host/hunter2", "redis://host:99999"] {
            let error = format!("{:?}", env(&[("REDIS_URL", url)]).queue().unwrap_err());
            assert!(error.contains("REDIS_URL") && error.contains("# as %23") && !error.contains("hunter2"), "{error}");
            assert!(!error.contains("s%41"), "{error}");
        }
        let error = format!("{:?}", env(&[("DATABASE_URL", "postgres://me:pa#hunter2@host:5432/db")]).database().unwrap_err());
        assert!(error.contains("# as %23") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_client_certificate_needs_its_key() {
        let url = ("REDIS_URL", "rediss://host");
        let error = env(&[url, ("REDIS_CLIENT_CERT", "x")]).queue().unwrap_err().to_string();
        assert!(error.contains("REDIS_CLIENT_KEY"), "{error}");
        let error = env(&[url, ("REDIS_CLIENT_CERT", "x"), ("REDIS_CLIENT_KEY", "hunter2")]).queue().unwrap_err().to_string();
        assert!(error.contains("PEM") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn invalid_values_name_the_variable_and_the_expected_form() {
        let error = env(&[("APRENDIZ_SLOTS", "two")]).parsed("APRENDIZ_SLOTS", 1, "a number of runs").unwrap_err().to_string();
        assert_eq!(error, "APRENDIZ_SLOTS is `two`: expected a number of runs");
    }
}
