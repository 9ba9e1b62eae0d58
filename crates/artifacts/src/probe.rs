//! Probes the store: does with small objects what runs do, and finds the permissions and features that are missing.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use crate::error::StoreError;
use crate::key::ObjectKey;
use crate::refusal::chain;
use crate::store::Store;

impl Store {
    /// Lists, writes, reads and deletes probe objects, one of them in a multipart upload. Returns what failed; the steps that do not
    /// depend on it are tried nevertheless.
    pub async fn probe(&self) -> Vec<StoreError> {
        if let Err(error) = self.check().await {
            return vec![error];
        }
        let id = Uuid::now_v7();
        let (object, large) = (ObjectKey::probe(id, "object"), ObjectKey::probe(id, "multipart"));
        let content = Bytes::from(format!("aprendiz probe {id}"));
        let mut failures = Vec::new();
        let mut note = |outcome: Result<(), StoreError>| failures.extend(outcome.err());

        note(self.list("", None, 1).await.map(drop));
        let written = self.put(&object, content.clone()).await;
        let is_written = written.is_ok();
        note(written);
        if is_written {
            note(self.verify(&object, &content).await);
        }
        let uploaded = self.put_multipart(&large, &content).await;
        let is_uploaded = uploaded.is_ok();
        note(uploaded);
        if is_uploaded {
            note(self.verify(&large, &content).await);
            note(self.abort_new_upload(&large).await);
        }
        note(self.incomplete_uploads(&large, 1).await.map(drop));
        for (key, exists) in [(&object, is_written), (&large, is_uploaded)] {
            if exists {
                note(self.delete_verified(key).await);
            }
        }
        failures
    }

    /// Reads an object and compares its content.
    async fn verify(&self, key: &str, expected: &[u8]) -> Result<(), StoreError> {
        let mut read = Vec::new();
        let object = self.get(key, None).await?;
        // a server that is no object store may answer anything
        let reading = object.reader.take(expected.len() as u64 + 1).read_to_end(&mut read).await;
        reading.map_err(|error| StoreError::Unavailable { operation: format!("reading `{key}`"), cause: chain(&error) })?;
        if read == expected {
            return Ok(());
        }
        let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        Err(StoreError::ChecksumMismatch { key: key.to_owned(), expected: hash(expected), found: hash(&read) })
    }

    async fn put_multipart(&self, key: &str, content: &Bytes) -> Result<(), StoreError> {
        let upload_id = self.create_multipart_upload(key).await?;
        let sent = async {
            let part = self.upload_part(key, &upload_id, 1, content.clone()).await?;
            self.complete_multipart_upload(key, &upload_id, vec![part]).await
        };
        let sent = sent.await;
        if sent.is_err() {
            // the first error is the one to report
            self.abort_upload(key, &upload_id).await.ok();
        }
        sent
    }

    async fn abort_new_upload(&self, key: &str) -> Result<(), StoreError> {
        let upload_id = self.create_multipart_upload(key).await?;
        self.abort_upload(key, &upload_id).await.map(drop)
    }

    /// Deletes an object, and checks that it is gone.
    async fn delete_verified(&self, key: &str) -> Result<(), StoreError> {
        self.delete(key).await?;
        match self.get(key, None).await {
            Err(StoreError::MissingObject(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(StoreError::Rejected {
                operation: format!("deleting `{key}`"),
                reason: "the object is still there after its deletion; delete it".to_owned(),
            }),
        }
    }
}
