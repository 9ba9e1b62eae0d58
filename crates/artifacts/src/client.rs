//! The client of the AWS SDK, from the settings.

use std::path::Path;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::service_config::ServiceConfigKey;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::StoreError;
use crate::settings::{Addressing, StoreConfig};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts per request, including the first one.
const MAX_ATTEMPTS: u32 = 4;
/// The variable of the AWS SDKs for the certificate authorities of their endpoints.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Creates a client without sending a request.
pub(crate) async fn create(config: &StoreConfig) -> Result<Client, StoreError> {
    Ok(with_http_client(config, http_client(config.ca_bundle.as_deref())?).await)
}

pub(crate) async fn with_http_client(config: &StoreConfig, http: SharedHttpClient) -> Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(config.timeout).build();
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(timeouts)
        .load()
        .await;
    // most S3-compatible servers do not support virtual-hosted-style requests, and Amazon recommends them
    let default = if config.endpoint.is_some() || has_custom_endpoint(&shared) { Addressing::Path } else { Addressing::Virtual };
    let mut s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(config.addressing.unwrap_or(default) == Addressing::Path);
    if let Some(checksums) = config.request_checksums {
        s3.set_request_checksum_calculation(Some(checksums.into()));
    }
    if let Some(checksums) = config.response_checksums {
        s3.set_response_checksum_validation(Some(checksums.into()));
    }
    if let Some(endpoint) = &config.endpoint {
        s3.set_endpoint_url(Some(endpoint.clone()));
    }
    Client::from_conf(s3.build())
}

/// Whether a client adds checksums to the requests that support them.
pub(crate) fn sends_checksums(client: &Client) -> bool {
    !matches!(client.config().request_checksum_calculation(), Some(RequestChecksumCalculation::WhenRequired))
}

/// Whether a variable or the profile sets an endpoint; the SDK looks in the same places.
fn has_custom_endpoint(shared: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = shared.service_config().zip(key.ok()).and_then(|(config, key)| config.load_config(key));
    of_service.is_some() || shared.endpoint_url().is_some()
}

fn http_client(ca_bundle: Option<&Path>) -> Result<SharedHttpClient, StoreError> {
    // ring is the only crypto provider of the process
    let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let Some(path) = ca_bundle else { return Ok(builder.build_https()) };
    let invalid = |problem: String| StoreError::Setting { variable: CA_BUNDLE, problem: format!("{}: {problem}", path.display()) };
    let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    // as in the AWS SDKs, the file replaces the certificate authorities of the system
    let mut store = TrustStore::empty();
    // the client panics on a certificate that it cannot use
    for certificate in usable_certificates(&pem).map_err(&invalid)? {
        store.add_pem_certificate(certificate);
    }
    let tls = TlsContext::builder().with_trust_store(store).build().map_err(|error| invalid(error.to_string()))?;
    Ok(builder.tls_context(tls).build_https())
}

/// The certificates of a PEM file that can be certificate authorities, each in PEM form.
fn usable_certificates(pem: &[u8]) -> Result<Vec<String>, String> {
    let mut usable = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("expected certificates in PEM form: {error}"))?;
        if RootCertStore::empty().add(certificate.clone()).is_ok() {
            usable.push(format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(&certificate)));
        }
    }
    if usable.is_empty() { Err("it contains no usable certificate in PEM form".to_owned()) } else { Ok(usable) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use aprendiz_test_support::ObjectServer;
    use aws_sdk_s3::config::{Credentials, Region};
    use aws_sdk_s3::presigning::PresigningConfig;
    use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};

    use super::*;
    use crate::store::Store;

    /// The URL that a client with these settings requests for an object.
    async fn url(config: &StoreConfig) -> String {
        let client = create(config).await.unwrap();
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let settings = client.config().to_builder().credentials_provider(credentials).region(Region::new("eu-central-1")).build();
        let validity = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let request = Client::from_conf(settings).get_object().bucket("models").key("a/b").presigned(validity).await.unwrap();
        request.uri().split('?').next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn the_addressing_style_decides_where_the_bucket_is_named() {
        let endpoint = Some("https://s3.example.org".to_owned());
        let mut config = StoreConfig { endpoint, ..StoreConfig::new("models") };
        assert_eq!(url(&config).await, "https://s3.example.org/models/a/b", "the default of a custom endpoint");
        config.addressing = Some(Addressing::Virtual);
        assert_eq!(url(&config).await, "https://models.s3.example.org/a/b");
        config.addressing = Some(Addressing::Path);
        assert_eq!(url(&config).await, "https://s3.example.org/models/a/b");
    }

    /// Resolves every name to this host.
    #[derive(Debug, Clone)]
    struct Loopback;

    impl ResolveDns for Loopback {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            DnsFuture::ready(Ok(vec![Ipv4Addr::LOCALHOST.into()]))
        }
    }

    #[tokio::test]
    async fn virtual_style_works_with_a_store_that_knows_no_other() {
        let server = ObjectServer::start(&["--domain", "s3.test", "--virtual-only"]).await;
        let (_, port) = server.address().rsplit_once(':').unwrap();
        let http = || {
            let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
            builder.build_with_resolver(Loopback)
        };
        let endpoint = Some(format!("http://s3.test:{port}"));
        let mut config = StoreConfig { endpoint, addressing: Some(Addressing::Virtual), ..StoreConfig::new(ObjectServer::BUCKET) };
        let store = Store::new(&config, with_http_client(&config, http()).await);
        let failures = store.probe().await;
        assert!(failures.is_empty(), "{failures:?}");

        config.addressing = None;
        let store = Store::new(&config, with_http_client(&config, http()).await);
        let error = store.check().await.unwrap_err().to_string();
        assert!(error.contains("set APRENDIZ_BUCKET_ADDRESSING=virtual"), "{error}");
    }

    #[test]
    fn a_bundle_without_certificates_is_rejected_and_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, expected) in
            [("", "no usable certificate"), ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "PEM form")]
        {
            std::fs::write(file.path(), content).unwrap();
            let error = http_client(Some(file.path())).unwrap_err().to_string();
            assert!(error.starts_with("AWS_CA_BUNDLE") && error.contains(expected), "{error}");
        }
        let error = http_client(Some(Path::new("/nonexistent.pem"))).unwrap_err().to_string();
        assert!(error.starts_with("AWS_CA_BUNDLE") && error.contains("/nonexistent.pem"), "{error}");
    }
}
