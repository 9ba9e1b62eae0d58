//! What lies in the bucket, against what the database says about it.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::site::Site;

/// SHA-256, lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Every object has a row, every live row its object with its hash, and every manifest lists all files beside it. What dead attempts
/// left behind is `pending`, checkpoints of runs that have ended may wait to be swept: neither is looked at.
pub(crate) async fn check(site: &Site) {
    let rows: Vec<(String, String, Option<String>, Option<i64>)> =
        sqlx::query_as("SELECT key, state::text, sha256, bytes FROM objects ORDER BY key COLLATE \"C\"")
            .fetch_all(site.pool())
            .await
            .expect("the rows can be read");
    for key in site.env.bucket.keys().await {
        assert!(rows.iter().any(|(known, ..)| *known == key), "{key} has no row");
    }
    let rows: Vec<_> = rows.into_iter().filter(|(key, state, ..)| state == "live" && !key.starts_with("checkpoints/")).collect();
    assert!(!rows.is_empty());
    for (key, _, hash, size) in &rows {
        let bytes = read(site, key).await;
        assert_eq!(hash.as_deref(), Some(sha256(&bytes).as_str()), "{key}");
        assert_eq!(*size, i64::try_from(bytes.len()).ok(), "{key}");
        if let Some(folder) = key.strip_suffix("manifest.json") {
            let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
            let files = manifest["files"].as_array().expect("a manifest lists files");
            let listed: BTreeSet<(String, Option<&str>)> =
                files.iter().map(|file| (format!("{folder}{}", file["path"].as_str().expect("a path")), file["sha256"].as_str())).collect();
            let beside: BTreeSet<(String, Option<&str>)> = rows
                .iter()
                .filter(|(other, ..)| other.starts_with(folder) && other != key)
                .map(|(other, _, hash, _)| (other.clone(), hash.as_deref()))
                .collect();
            assert_eq!(listed, beside, "{key}");
        }
    }
}

async fn read(site: &Site, key: &str) -> Vec<u8> {
    let object = site.env.bucket.client().get_object().bucket(site.env.bucket.name()).key(key).send().await;
    let object = object.unwrap_or_else(|error| panic!("{key}: {error}"));
    object.body.collect().await.expect("the object can be read").into_bytes().to_vec()
}
