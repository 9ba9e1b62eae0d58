//! Configuration of the queue: the address of Redis and the key prefix.

use std::fmt;

use redis::{Client, ClientTlsConfig, ConnectionAddr, TlsCertificates};
use secrecy::{ExposeSecret as _, SecretString};

use crate::fault::RedisFault;

const SCHEMES: [&str; 7] = ["redis://", "rediss://", "valkey://", "valkeys://", "unix://", "redis+unix://", "valkey+unix://"];

/// How to reach Redis, and which keys belong to this installation. `Debug` shows neither user nor password.
#[derive(Clone)]
pub struct QueueConfig {
    client: Client,
    prefix: String,
}

/// A client certificate for Redis, in PEM format.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate, followed by its intermediate certificates.
    pub chain: SecretString,
    /// The private key, not encrypted.
    pub key: SecretString,
}

/// Why the address of Redis cannot be used. No message contains the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// The scheme is unknown.
    #[error("it does not begin with redis:// or rediss://")]
    Scheme,
    /// Host or port cannot be read.
    #[error("host or port cannot be read")]
    Address,
    /// What follows the host contains an `@`, so the text before it is not the host.
    #[error("the password or the user name ends too early, because a special character in it is not encoded")]
    NotEncoded,
    /// The path is not a number.
    #[error("the database after the last / is not a number")]
    Database,
    /// The crate `redis` rejects it.
    #[error("an option after ? or # is unknown, or the user name or password is not UTF-8")]
    Options,
    /// A client certificate without TLS.
    #[error("a client certificate needs TLS: write rediss:// instead of redis://")]
    CertificateWithoutTls,
    /// The client certificate or its key is not valid PEM.
    #[error("the client certificate or its private key is not valid PEM (an encrypted key is not supported)")]
    Certificate,
}

impl QueueConfig {
    /// Parses the URL. The prefix begins every key and every channel; two installations on one Redis need two prefixes.
    ///
    /// # Errors
    /// The URL or the certificate cannot be used.
    pub fn new(url: &SecretString, prefix: impl Into<String>, certificate: Option<&ClientCertificate>) -> Result<Self, RedisUrlError> {
        let client = parse(url.expose_secret())?;
        let client = match certificate {
            None => client,
            Some(certificate) => with_certificate(&client, certificate)?,
        };
        Ok(Self { client, prefix: prefix.into() })
    }

    /// The same Redis with another prefix.
    #[must_use]
    pub fn with_prefix(&self, prefix: impl Into<String>) -> Self {
        Self { client: self.client.clone(), prefix: prefix.into() }
    }

    /// The prefix of every key and every channel.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Name of the user in Redis, if the URL has one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.client.get_connection_info().redis_settings().username()
    }

    /// What an operator can do about a fault.
    #[must_use]
    pub fn advice(&self, fault: RedisFault) -> &'static str {
        // a server that demands a certificate may reset the connection before its alert is read
        let ConnectionAddr::TcpTls { tls_params: None, .. } = self.client.get_connection_info().addr() else {
            return fault.advice();
        };
        if fault == RedisFault::Unreachable { RedisFault::Certificate.advice() } else { fault.advice() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Name of the apalis queue.
    pub(crate) fn queue_name(&self) -> String {
        format!("{}:runs", self.prefix)
    }

    /// Channel that wakes the workers: apalis alone would look only once per polling interval.
    pub(crate) fn wake_channel(&self) -> String {
        format!("{}:wake", self.prefix)
    }

    /// Key that a health check writes.
    pub(crate) fn probe_key(&self) -> String {
        format!("{}:probe", self.prefix)
    }
}

impl fmt::Debug for QueueConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.client.get_connection_info().addr().to_string();
        f.debug_struct("QueueConfig").field("address", &address).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A `#` or `/` in a password ends the host and port for the parser, so that it would silently connect to another host.
fn parse(url: &str) -> Result<Client, RedisUrlError> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(RedisUrlError::Scheme);
    }
    let authority_ends_early = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.split_once(['/', '?', '#']).is_some_and(|(_, rest)| rest.contains('@'))
    };
    let is_socket = url.split("://").next().is_some_and(|scheme| scheme.ends_with("unix"));
    if !is_socket && authority_ends_early(url) {
        return Err(RedisUrlError::NotEncoded);
    }
    let parsed = redis::parse_redis_url(url).ok_or(RedisUrlError::Address)?;
    if !is_socket {
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(RedisUrlError::Address);
        }
        let database = parsed.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u32>().is_err() {
            return Err(RedisUrlError::Database);
        }
    }
    if parsed.fragment().is_some() {
        return Err(RedisUrlError::Options);
    }
    Client::open(url).map_err(|_| RedisUrlError::Options)
}

fn with_certificate(client: &Client, certificate: &ClientCertificate) -> Result<Client, RedisUrlError> {
    let info = client.get_connection_info().clone();
    if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
        return Err(RedisUrlError::CertificateWithoutTls);
    }
    let pem = |secret: &SecretString| secret.expose_secret().as_bytes().to_vec();
    let chain = pem(&certificate.chain);
    // the parser accepts a file without any certificate
    if !certificate.chain.expose_secret().contains("-----BEGIN CERTIFICATE-----") {
        return Err(RedisUrlError::Certificate);
    }
    let client_tls = ClientTlsConfig { client_cert: chain, client_key: pem(&certificate.key) };
    Client::build_with_tls(info, TlsCertificates { client_tls: Some(client_tls), root_cert: None }).map_err(|_| RedisUrlError::Certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str) -> Result<QueueConfig, RedisUrlError> {
        QueueConfig::new(&url.into(), "test", None)
    }

    #[test]
    fn a_password_with_special_characters_is_encoded_or_refused() {
        for (character, encoded) in [("@", "%40"), (":", "%3A"), ("/", "%2F"), ("#", "%23"), ("?", "%3F"), ("%", "%25")] {
            let config = open(&format!("redis://me:12{encoded}hunter2@host:6379/1")).unwrap();
            let info = config.client.get_connection_info();
            assert_eq!(info.redis_settings().password(), Some(format!("12{character}hunter2").as_str()));
            assert_eq!(info.addr(), &ConnectionAddr::Tcp("host".to_owned(), 6379));
        }
        // each of these would be read as another host
        for url in ["redis://me:12#hunter2@host", "redis://me:12/hunter2@host", "redis://me:12?hunter2@host", "redis://:p#a@s/s%41@host:1"]
        {
            assert_eq!(open(url).unwrap_err(), RedisUrlError::NotEncoded, "{url}");
        }
    }

    #[test]
    fn a_url_that_can_never_work_is_refused() {
        for (url, error) in [
            ("http://host", RedisUrlError::Scheme),
            ("host:6379", RedisUrlError::Scheme),
            ("redis://", RedisUrlError::Address),
            ("redis://host:99999", RedisUrlError::Address),
            ("redis://host/notadb", RedisUrlError::Database),
            ("redis://host/-1", RedisUrlError::Database),
            ("rediss://host/#insecure", RedisUrlError::Options),
            ("redis://host/?protocol=9", RedisUrlError::Options),
        ] {
            assert_eq!(open(url).err(), Some(error), "{url}");
        }
        for url in ["redis://host", "rediss://u:p@host:1/2", "valkey://host", "unix:///run/redis.sock?db=1", "redis://[::1]:6379"] {
            assert!(open(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn debug_output_hides_the_password() {
        let printed = format!("{:?}", open("redis://me:hunter2@host:1").unwrap());
        assert!(printed.contains("host:1") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_client_certificate_needs_tls_and_valid_pem() {
        let certificate = ClientCertificate { chain: "-----BEGIN CERTIFICATE-----".into(), key: "hunter2".into() };
        let error = |url: &str, certificate| QueueConfig::new(&url.into(), "test", Some(certificate)).unwrap_err();
        assert_eq!(error("redis://host", &certificate), RedisUrlError::CertificateWithoutTls);
        assert_eq!(error("rediss://host", &certificate), RedisUrlError::Certificate);
    }
}
