//! Stores over TLS with a certificate authority that the system does not know.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aprendiz_artifacts::{Store, StoreConfig};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::fixture::Fixture;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name)
}

/// Puts TLS in front of a server, and returns the port.
async fn serve_tls(upstream: String) -> u16 {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = versions.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(socket).await else { return };
                let Ok(mut server) = TcpStream::connect(&upstream).await else { return };
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    port
}

#[tokio::test]
async fn an_unknown_certificate_authority_is_trusted_by_its_file_and_named_without_it() {
    let fixture = Fixture::new().await;
    let port = serve_tls(fixture.bucket.address()).await;
    let config = StoreConfig { endpoint: Some(format!("https://localhost:{port}")), ..StoreConfig::new(fixture.bucket.name()) };

    let error = Store::connect(&config).await.unwrap().check().await.unwrap_err().to_string();
    assert!(error.contains("certificate") && error.contains("AWS_CA_BUNDLE") && error.contains("SSL_CERT_FILE"), "{error}");
    assert!(!error.contains(['{', '\n']), "{error}");

    let trusting = StoreConfig { ca_bundle: Some(file("ca.pem")), ..config };
    let store = Store::connect(&trusting).await.unwrap();
    store.check().await.unwrap();
    assert!(store.probe().await.is_empty());
}
