//! `aprendiz version`: the versions of client and server.

use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

const CLIENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints both versions. A server that cannot be reached is no error: the version of the client is known.
pub(crate) async fn run(client: &Client, output: Output) -> Result<(), CliError> {
    let (server, remark) = match server_version(client).await {
        Ok(version) => {
            let remark = compare(CLIENT_VERSION, &version);
            (Some(version), remark)
        }
        Err(CliError::Unreachable(text)) => (None, text),
        Err(error) => return Err(error),
    };
    let value = json!({ "client": CLIENT_VERSION, "server": server, "url": client.base_url().as_str(), "remark": remark });
    output.print(&value, || {
        let server = server.as_deref().unwrap_or("unknown");
        format!("client  {CLIENT_VERSION}\nserver  {server} at {}\n{remark}", client.base_url())
    })?;
    Ok(())
}

/// The version of the server; `unknown` if it does not tell it.
pub(super) async fn server_version(client: &Client) -> Result<String, CliError> {
    let (_, health) = client.probe("healthz").await?;
    Ok(health["version"].as_str().unwrap_or("unknown").to_owned())
}

/// Whether client and server fit together. Before 1.0, the second number says which versions are compatible.
fn compare(client: &str, server: &str) -> String {
    let release = |version: &str| -> Option<(u64, u64)> {
        let mut numbers = version.split('.').map(str::parse);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(if major == 0 { (0, minor) } else { (major, 0) })
    };
    match (release(client), release(server)) {
        _ if client == server => "Client and server have the same version.".to_owned(),
        (Some(own), Some(other)) if own == other => "Client and server are compatible.".to_owned(),
        (Some(own), Some(other)) => {
            let older = if own < other { "client" } else { "server" };
            format!("Client and server may be incompatible: update the {older}, which is older.")
        }
        _ => "The server does not tell its version: it may not be Aprendiz, or not be ready.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_compatible_part() {
        for (client, server, remark) in [
            ("0.1.0", "0.1.0", "the same version"),
            ("0.1.0", "0.1.7", "are compatible"),
            ("0.1.0", "0.2.0", "update the client"),
            ("1.4.0", "1.2.0", "are compatible"),
            ("2.0.0", "1.9.0", "update the server"),
            ("0.1.0", "unknown", "does not tell"),
        ] {
            assert!(compare(client, server).contains(remark), "{client} {server}: {}", compare(client, server));
        }
    }
}
