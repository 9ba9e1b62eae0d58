//! The accept loop, from the first connection to a graceful stop.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::host::SingleDomain;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access::Access;
use crate::config::Config;
use crate::store::Store;

/// How long open requests may go on after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until SIGTERM or SIGINT. The address goes to stdout as soon as connections are accepted.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    for bucket in &config.bucket {
        let folder = config.root.join(bucket);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    std::fs::create_dir_all(&config.root).with_context(|| format!("cannot create {}", config.root.display()))?;
    let files = FileSystem::new(&config.root).map_err(|error| anyhow::anyhow!("cannot open {}: {error:?}", config.root.display()))?;

    // before the address is printed, because the caller may send the signal as soon as it has the address
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(config.address).await.with_context(|| format!("cannot listen on {}", config.address))?;
    let mut stdout = std::io::stdout();
    let service = service(config, files, listener.local_addr()?.port())?;
    writeln!(stdout, "listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;

    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => { connections.spawn(serve(socket, service.clone(), stopped.clone())); }
                Err(error) => tracing::warn!(%error, "cannot accept a connection"),
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!("requests were still open after {GRACE:?}");
    }
    Ok(())
}

/// The S3 service. Clients name the port in the `Host` header, so the base domain includes it.
fn service(config: Config, files: FileSystem, port: u16) -> anyhow::Result<S3Service> {
    let domain = config.domain.map(|domain| format!("{domain}:{port}"));
    let mut builder = S3ServiceBuilder::new(Store::new(files));
    builder.set_auth(SimpleAuth::from_single(config.access_key, config.secret_key));
    if let Some(domain) = &domain {
        builder.set_host(SingleDomain::new(domain).with_context(|| format!("--domain: `{domain}` is not a domain"))?);
    }
    builder.set_access(Access {
        deny: config.deny,
        reject_checksums: config.reject_checksums,
        virtual_only: domain.filter(|_| config.virtual_only),
    });
    Ok(builder.build())
}

/// One connection, to its end or, once the server stops, to the end of the request under way.
async fn serve(socket: TcpStream, service: S3Service, mut stopped: watch::Receiver<bool>) {
    let http = Builder::new(TokioExecutor::new());
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async { drop(stopped.wait_for(|stop| *stop).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}
