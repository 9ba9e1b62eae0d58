//! Flags and variables of the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// S3-compatible server over a folder, for development and tests.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Config {
    /// Folder of the buckets; created when missing
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,

    /// Where to listen, on the loopback interface; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub(crate) address: SocketAddr,

    /// The one access key that is let in
    #[arg(long, env = "AWS_ACCESS_KEY_ID", value_name = "KEY")]
    pub(crate) access_key: String,

    /// Its secret; prefer the variable: flags are visible to other users of the machine
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", value_name = "SECRET", hide_env_values = true)]
    pub(crate) secret_key: String,

    /// Bucket to create at start unless it exists; may be repeated
    #[arg(long, value_name = "NAME", value_parser = bucket_name)]
    pub(crate) bucket: Vec<String>,

    /// Operation to deny, such as AbortMultipartUpload; may be repeated
    #[arg(long, value_name = "OPERATION")]
    pub(crate) deny: Vec<String>,

    /// Answer 501 to every header of a checksum, as older stores do
    #[arg(long)]
    pub(crate) reject_checksums: bool,

    /// Base domain of requests that name the bucket in the host, such as s3.test
    #[arg(long, value_name = "HOST")]
    pub(crate) domain: Option<String>,

    /// Refuse requests that name the bucket in the path
    #[arg(long, requires = "domain")]
    pub(crate) virtual_only: bool,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected an address such as 127.0.0.1:9000".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("this server is for one machine: give a loopback address such as 127.0.0.1:9000".to_owned())
    }
}

/// S3's own rule; it also keeps a name from leaving the root folder.
fn bucket_name(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (3..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a bucket name has 3 to 63 lower-case letters, digits and inner hyphens".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        assert!(loopback("127.0.0.1:0").is_ok());
        assert!(loopback("[::1]:9000").is_ok());
        assert!(loopback("0.0.0.0:9000").is_err());
        assert!(loopback("localhost").is_err());
    }

    #[test]
    fn a_bucket_name_cannot_leave_the_root() {
        assert!(bucket_name("aprendiz-1").is_ok());
        for bad in ["..", "../other", "a/b", "Upper", "-abc", "abc-", "ab"] {
            assert!(bucket_name(bad).is_err(), "{bad}");
        }
    }
}
