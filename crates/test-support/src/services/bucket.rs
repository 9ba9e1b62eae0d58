//! Bucket of one test.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

use super::allocation::{required, unique};
use super::cleanup::block_on_new_thread;

/// A dedicated bucket at `AWS_ENDPOINT_URL_S3`, emptied and deleted on drop.
#[derive(Debug)]
pub struct TestBucket {
    name: String,
    client: Client,
}

impl TestBucket {
    /// Creates the bucket.
    pub async fn create() -> Self {
        let bucket = Self { name: format!("test-{}", unique()), client: client() };
        let created = bucket.client.create_bucket().bucket(&bucket.name).send().await;
        created.expect("S3 is reachable at AWS_ENDPOINT_URL_S3; ./dev up starts one");
        bucket
    }

    /// Its name, for `APRENDIZ_BUCKET`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `HOST:PORT` of its server, as the upstream of a proxy.
    pub fn address(&self) -> String {
        required("AWS_ENDPOINT_URL_S3").trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    /// A client with full access.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// All object keys, sorted.
    pub async fn keys(&self) -> Vec<String> {
        keys(&self.client, &self.name).await
    }
}

impl Drop for TestBucket {
    fn drop(&mut self) {
        // a second panic would abort the whole test process and hide the first one
        if std::thread::panicking() {
            return;
        }
        let name = &self.name;
        block_on_new_thread(async move {
            // this thread has its own runtime, and a client keeps connections of the runtime it was used on
            let client = client();
            for key in keys(&client, name).await {
                client.delete_object().bucket(name).key(&key).send().await.expect("an object is deleted");
            }
            client.delete_bucket().bucket(name).send().await.expect("the empty bucket is deleted");
        });
    }
}

fn client() -> Client {
    let credentials = Credentials::new(required("AWS_ACCESS_KEY_ID"), required("AWS_SECRET_ACCESS_KEY"), None, None, "environment");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new(required("AWS_REGION")))
        .endpoint_url(required("AWS_ENDPOINT_URL_S3"))
        .force_path_style(true)
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}

async fn keys(client: &Client, bucket: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.expect("the bucket can be listed");
        keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
    }
    keys.sort();
    keys
}
