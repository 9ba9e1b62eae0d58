//! Access to environment variables, and the settings of Redis and S3.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
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

    /// The whole number in a variable, or the default if the variable is not set. Every number of the configuration has a range.
    ///
    /// # Errors
    /// The value is not a number, or not within the range. The message names the variable, the value and the range.
    pub fn number<T: FromStr + PartialOrd + Display>(&self, name: &str, default: T, range: RangeInclusive<T>) -> Result<T> {
        self.bounded(name, default, range, "a whole number")
    }

    /// The number with or without decimals in a variable, or the default if the variable is not set.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub fn decimal(&self, name: &str, default: f64, range: RangeInclusive<f64>) -> Result<f64> {
        self.bounded(name, default, range, "a number")
    }

    /// The duration in a variable, in seconds with or without decimals, or the default if the variable is not set.
    ///
    /// # Errors
    /// As [`Self::number`].
    pub fn seconds(&self, name: &str, default: f64, range: RangeInclusive<f64>) -> Result<Duration> {
        Ok(Duration::from_secs_f64(self.bounded(name, default, range, "a number of seconds")?))
    }

    fn bounded<T: FromStr + PartialOrd + Display>(&self, name: &str, default: T, range: RangeInclusive<T>, what: &str) -> Result<T> {
        let Some(text) = self.text(name) else { return Ok(default) };
        // NaN is in no range
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| anyhow!("{name} is `{text}`: expected {what} from {} to {}", range.start(), range.end()))
    }

    /// The address to listen on in a variable, or `None` if the variable is not set.
    ///
    /// # Errors
    /// The value is not an address and a port.
    pub fn address(&self, name: &str) -> Result<Option<SocketAddr>> {
        let parse =
            |text: String| text.parse().map_err(|_| anyhow!("{name} is `{text}`: expected an address and port such as 127.0.0.1:8080"));
        self.text(name).map(parse).transpose()
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

    /// Reads the variables `APRENDIZ_BUCKET…`, and of those of the AWS SDK the ones that it would ignore silently if they were invalid.
    /// The SDK itself reads endpoint, region and credentials.
    ///
    /// # Errors
    /// A variable is missing or invalid. The message names it.
    pub fn store(&self) -> Result<StoreConfig> {
        let bucket = self
            .text("APRENDIZ_BUCKET")
            .ok_or_else(|| anyhow!("APRENDIZ_BUCKET is not set: expected the name of the S3 bucket that stores datasets and models"))?;
        let key_prefix = self.text("APRENDIZ_BUCKET_PREFIX").unwrap_or_default();
        let timeout = self.seconds("APRENDIZ_BUCKET_TIMEOUT_SECONDS", 30.0, 1.0..=3600.0)?;
        for variable in ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] {
            if let Some(endpoint) = self.text(variable).filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
                bail!("{variable} is `{endpoint}`: expected http://HOST[:PORT] or https://HOST[:PORT]");
            }
        }
        Ok(StoreConfig {
            key_prefix,
            timeout,
            addressing: self.optional("APRENDIZ_BUCKET_ADDRESSING", "path or virtual")?,
            request_checksums: self.optional("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported or when_required")?,
            response_checksums: self.optional("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_supported or when_required")?,
            ca_bundle: self.text("AWS_CA_BUNDLE").map(PathBuf::from),
            ..StoreConfig::new(bucket)
        })
    }

    /// Parses a variable, or returns `None` if it is not set.
    fn optional<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>> {
        self.text(name).map(|value| value.parse().map_err(|_| anyhow!("{name} is `{value}`: expected {expected}"))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_artifacts::{Addressing, ChecksumUse};

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
        for url in [
            "postgres://me:pa#hunter2@host:5432/db",
            "postgres://me:p@hunter2@host/db",
            "postgres://me:p/hunter2@host/db",
            "postgres://me:p@hunter2#@host/db",
        ] {
            let error = format!("{:?}", env(&[("DATABASE_URL", url)]).database().unwrap_err());
            assert!(error.contains("# as %23") && !error.contains("hunter2"), "{error}");
        }
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
    fn settings_of_the_store_are_read_and_checked() {
        let bucket = ("APRENDIZ_BUCKET", "models");
        let settings = [
            bucket,
            ("APRENDIZ_BUCKET_ADDRESSING", "virtual"),
            ("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED"),
            ("AWS_CA_BUNDLE", "/ca.pem"),
        ];
        let config = env(&settings).store().unwrap();
        assert_eq!(config.addressing, Some(Addressing::Virtual));
        assert_eq!((config.request_checksums, config.response_checksums), (Some(ChecksumUse::WhenRequired), None));
        assert_eq!(config.ca_bundle, Some("/ca.pem".into()));
        for (variable, value) in [
            ("APRENDIZ_BUCKET_ADDRESSING", "host"),
            ("AWS_REQUEST_CHECKSUM_CALCULATION", "never"),
            ("AWS_RESPONSE_CHECKSUM_VALIDATION", "no"),
            ("AWS_ENDPOINT_URL_S3", "s3.example.org"),
        ] {
            let error = env(&[bucket, (variable, value)]).store().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{variable} is `{value}`: expected ")), "{error}");
        }
    }

    #[test]
    fn numbers_outside_their_range_name_the_variable_the_value_and_the_range() {
        for value in ["two", "-1", "0", "65", "1.5", "1e1", "+", "0x10", "18446744073709551616"] {
            let error = env(&[("APRENDIZ_SLOTS", value)]).number("APRENDIZ_SLOTS", 1_u32, 1..=64).unwrap_err().to_string();
            assert_eq!(error, format!("APRENDIZ_SLOTS is `{value}`: expected a whole number from 1 to 64"));
        }
        for value in ["-1", "0.99", "3600.1", "nan", "NaN", "inf", "-inf", "1e30", "1e300", "1e999", "1m"] {
            let error = env(&[("A", value)]).seconds("A", 30.0, 1.0..=3600.0).unwrap_err().to_string();
            assert_eq!(error, format!("A is `{value}`: expected a number of seconds from 1 to 3600"));
        }
    }

    #[test]
    fn numbers_within_their_range_and_defaults_are_taken() {
        let number = |pairs: &[(&str, &str)]| env(pairs).number("A", 1_u32, 1..=64).unwrap();
        assert_eq!([number(&[]), number(&[("A", "")]), number(&[("A", " 64 ")])], [1, 1, 64]);
        let seconds = |value: &str| env(&[("A", value)]).seconds("A", 30.0, 0.0..=3600.0).unwrap();
        assert_eq!(
            [seconds(""), seconds("0"), seconds("0.25"), seconds("3.6e3")].map(|time| time.as_millis()),
            [30_000, 0, 250, 3_600_000]
        );
    }
}
