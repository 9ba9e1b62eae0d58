//! What Aprendiz asks of an S3 service, asked of the real binary with the real client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use rustix::process::{Pid, Signal, kill_process};

const BUCKET: &str = "objects";

struct Server {
    child: Child,
    url: String,
    _root: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_aprendiz-local-s3"))
            .arg("--root")
            .arg(root.path())
            .args(["--bucket", BUCKET, "--access-key", "test"])
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the server prints its address");
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url, _root: root }
    }

    fn client(&self, secret: &str) -> Client {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .force_path_style(true)
            .credentials_provider(Credentials::new("test", secret, None, None, "test"))
            .build();
        Client::from_conf(config)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // gone already where the test itself stopped it
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn put(client: &Client, key: &str, body: &'static [u8]) {
    client.put_object().bucket(BUCKET).key(key).body(ByteStream::from_static(body)).send().await.expect("put");
}

#[tokio::test]
async fn objects_are_written_read_in_part_listed_and_deleted() {
    let server = Server::start();
    let client = server.client("secret");
    put(&client, "runs/1/model.bin", b"0123456789").await;

    let whole = client.get_object().bucket(BUCKET).key("runs/1/model.bin").send().await.unwrap();
    assert_eq!(whole.body.collect().await.unwrap().into_bytes().as_ref(), b"0123456789");
    let part = client.get_object().bucket(BUCKET).key("runs/1/model.bin").range("bytes=2-4").send().await.unwrap();
    assert_eq!(part.content_range(), Some("bytes 2-4/10"));
    assert_eq!(part.body.collect().await.unwrap().into_bytes().as_ref(), b"234");

    let listed = client.list_objects_v2().bucket(BUCKET).prefix("runs/").send().await.unwrap();
    assert_eq!(listed.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["runs/1/model.bin"]);
    client.delete_object().bucket(BUCKET).key("runs/1/model.bin").send().await.unwrap();
    let gone = client.get_object().bucket(BUCKET).key("runs/1/model.bin").send().await.unwrap_err();
    assert_eq!(gone.into_service_error().code(), Some("NoSuchKey"));
}

#[tokio::test]
async fn a_conditional_put_does_not_overwrite() {
    let server = Server::start();
    let client = server.client("secret");
    put(&client, "once", b"first").await;
    let body = ByteStream::from_static(b"second");
    let refused = client.put_object().bucket(BUCKET).key("once").if_none_match("*").body(body).send().await.unwrap_err();
    assert_eq!(refused.into_service_error().code(), Some("PreconditionFailed"));
    let kept = client.get_object().bucket(BUCKET).key("once").send().await.unwrap();
    assert_eq!(kept.body.collect().await.unwrap().into_bytes().as_ref(), b"first");
}

#[tokio::test]
async fn a_multipart_upload_becomes_one_object_and_an_aborted_one_none() {
    let server = Server::start();
    let client = server.client("secret");
    let first = vec![b'a'; 5 * 1024 * 1024];
    let upload = client.create_multipart_upload().bucket(BUCKET).key("big").checksum_algorithm(ChecksumAlgorithm::Crc32);
    let upload = upload.send().await.unwrap();
    let id = upload.upload_id().expect("an upload id");
    let mut parts = Vec::new();
    for (number, body) in [(1, first.clone()), (2, b"tail".to_vec())] {
        let part = client.upload_part().bucket(BUCKET).key("big").upload_id(id).part_number(number);
        let done = part.body(ByteStream::from(body)).send().await.unwrap();
        let checksum = done.checksum_crc32().map(str::to_owned);
        assert!(checksum.is_some(), "the answer repeats the checksum");
        let part = CompletedPart::builder().part_number(number).set_e_tag(done.e_tag().map(str::to_owned));
        parts.push(part.set_checksum_crc32(checksum).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(id).multipart_upload(parts).send().await.unwrap();
    let head = client.head_object().bucket(BUCKET).key("big").send().await.unwrap();
    assert_eq!(head.content_length(), Some(first.len() as i64 + 4));

    let upload = client.create_multipart_upload().bucket(BUCKET).key("never").send().await.unwrap();
    let id = upload.upload_id().expect("an upload id");
    client.abort_multipart_upload().bucket(BUCKET).key("never").upload_id(id).send().await.unwrap();
    assert!(client.head_object().bucket(BUCKET).key("never").send().await.is_err());
    let again = client.abort_multipart_upload().bucket(BUCKET).key("never").upload_id(id).send().await.unwrap_err();
    assert_eq!(again.into_service_error().code(), Some("NoSuchUpload"));
}

#[tokio::test]
async fn parts_are_refused_as_amazon_refuses_them() {
    let server = Server::start();
    let client = server.client("secret");
    let begin = async |algorithm: Option<ChecksumAlgorithm>| {
        let upload = client.create_multipart_upload().bucket(BUCKET).key("big").set_checksum_algorithm(algorithm).send().await.unwrap();
        upload.upload_id().expect("an upload id").to_owned()
    };
    let part =
        |id: &str| client.upload_part().bucket(BUCKET).key("big").upload_id(id).part_number(1).body(ByteStream::from_static(b"part"));
    let complete = async |id: &str, part: CompletedPart| {
        let parts = CompletedMultipartUpload::builder().parts(part).build();
        let completed = client.complete_multipart_upload().bucket(BUCKET).key("big").upload_id(id).multipart_upload(parts).send().await;
        completed.map(drop).map_err(|error| error.into_service_error().code().unwrap_or_default().to_owned())
    };

    // the client adds CRC32, which was not announced
    let unannounced = begin(None).await;
    let refused = part(&unannounced).send().await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("InvalidRequest"));
    assert!(refused.message().unwrap_or_default().contains("expected checksum Type: null"), "{refused}");

    let announced = begin(Some(ChecksumAlgorithm::Crc32)).await;
    let wrong = part(&announced).checksum_crc32("AAAAAA==").send().await.unwrap_err();
    assert_eq!(wrong.into_service_error().code(), Some("BadDigest"));
    let sent = part(&announced).send().await.unwrap();
    let named = || CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag().map(str::to_owned));
    assert_eq!(complete(&announced, named().build()).await, Err("InvalidRequest".to_owned()));
    assert_eq!(complete(&announced, named().checksum_crc32("AAAAAA==").build()).await, Err("InvalidPart".to_owned()));
    let checksum = sent.checksum_crc32().map(str::to_owned);
    assert_eq!(complete(&announced, named().set_checksum_crc32(checksum).build()).await, Ok(()));

    let listed = client.list_multipart_uploads().bucket(BUCKET).prefix("b").send().await.unwrap();
    assert_eq!(listed.uploads().iter().filter_map(|upload| upload.upload_id()).collect::<Vec<_>>(), [unannounced]);
}

#[tokio::test]
async fn a_wrong_checksum_is_refused() {
    let server = Server::start();
    let client = server.client("secret");
    let put = client.put_object().bucket(BUCKET).key("sum").checksum_algorithm(ChecksumAlgorithm::Sha256);
    // the SHA-256 of something else
    let wrong = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
    let refused = put.checksum_sha256(wrong).body(ByteStream::from_static(b"not that")).send().await.unwrap_err();
    assert_eq!(refused.into_service_error().code(), Some("BadDigest"));
    assert!(client.head_object().bucket(BUCKET).key("sum").send().await.is_err(), "nothing is kept");
}

#[tokio::test]
async fn a_presigned_link_needs_no_key_and_a_wrong_secret_opens_nothing() {
    let server = Server::start();
    let client = server.client("secret");
    put(&client, "shown", b"hello").await;
    let soon = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let link = client.get_object().bucket(BUCKET).key("shown").presigned(soon).await.unwrap();
    let address = link.uri().strip_prefix("http://").expect("plain http").to_owned();
    let (host, path) = address.split_once('/').expect("host and path");
    let answer = plain_get(host, &format!("/{path}")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    let unsigned = plain_get(host, &format!("/{BUCKET}/shown")).await;
    assert!(unsigned.starts_with("HTTP/1.1 403"), "{unsigned}");

    let refused = server.client("wrong").get_object().bucket(BUCKET).key("shown").send().await.unwrap_err();
    assert_eq!(refused.into_service_error().code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn sigterm_ends_the_server_with_success_and_keeps_the_objects() {
    let mut server = Server::start();
    put(&server.client("secret"), "kept", b"bytes").await;
    let pid = Pid::from_child(&server.child);
    kill_process(pid, Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || (server.child.wait(), server)).await.unwrap();
    assert!(status.0.unwrap().success());
    assert_eq!(std::fs::read(status.1._root.path().join(BUCKET).join("kept")).unwrap(), b"bytes");
}

async fn plain_get(host: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("the server accepts");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer comes");
    answer
}
