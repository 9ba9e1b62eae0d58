//! Files of a dataset or model version: their entries in the database, and downloads with `ETag`, `Range` and `HEAD`.

pub(crate) mod object;
mod range;

use std::convert::Infallible;

use aprendiz_artifacts::{ObjectPrefix, ObjectRange, Store, check_relative_path};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content as MediaType, RefOr, Response as ApiResponse};
use utoipa::{PartialSchema as _, ToSchema};

use crate::api::http::error::ApiError;
use crate::api::http::media::Binary;
use crate::api::http::operation::{Describe, add_header, add_problem, text_header};
use crate::api::http::stored_file::object::open;
use crate::api::http::stored_file::range::{RangeRequest, parse_range};

/// Media types of files, by the extension of their names.
const MEDIA_TYPES: [(&str, &str); 5] = [
    ("json", "application/json"),
    ("jsonl", "application/x-ndjson"),
    ("parquet", "application/vnd.apache.parquet"),
    ("md", "text/markdown; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
];
/// Media type of files with another extension.
const OTHER_MEDIA_TYPE: &str = "application/octet-stream";

/// A file of a dataset or model version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StoredFile {
    /// Path relative to the dataset or model version, with `/` as separator.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// SHA-256 of the content, lower-case hex; also the `ETag`.
    pub(crate) sha256: String,
}

/// What a request says about the file that it downloads: `HEAD` instead of `GET`, `If-None-Match`, `Range` and `If-Range`.
pub(crate) struct FileRequest {
    method: Method,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for FileRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { method: parts.method.clone(), headers: parts.headers.clone() })
    }
}

impl Describe for FileRequest {
    fn describe(operation: &mut Operation) {
        add_header(operation, "Range", "A single range of bytes, for example `bytes=0-99`; other values are ignored", String::schema());
        add_header(operation, "If-Range", "Strong ETag: the range applies only to this version of the file", String::schema());
        add_header(operation, "If-None-Match", "ETag of the version that the client has, also a weak one", String::schema());
        let responses = &mut operation.responses.responses;
        if let Some(RefOr::T(whole)) = responses.get_mut("200") {
            describe_file(whole);
        }
        let mut range = ApiResponse::new("The requested range of the file");
        describe_file(&mut range);
        range.headers.insert("Content-Range".to_owned(), text_header("First and last byte of the range, and the size of the file").into());
        responses.insert("206".to_owned(), range.into());
        let mut unchanged = ApiResponse::new("The client has this version");
        unchanged.headers.insert("ETag".to_owned(), text_header("SHA-256 of the file").into());
        responses.insert("304".to_owned(), unchanged.into());
        add_problem(operation, StatusCode::RANGE_NOT_SATISFIABLE, "`range_not_satisfiable`: the range lies beyond the end of the file");
        add_problem(operation, StatusCode::INTERNAL_SERVER_ERROR, "`object_missing`: the file is missing from the object store");
    }
}

/// Adds the media types and headers of a file to a response.
fn describe_file(response: &mut ApiResponse) {
    for media_type in MEDIA_TYPES.map(|(_, media_type)| media_type).into_iter().chain([OTHER_MEDIA_TYPE]) {
        // a JSON file may hold anything, and a range of one is not JSON
        let schema = (media_type != "application/json").then(Binary::schema);
        response.content.insert(media_type.split(';').next().unwrap_or(media_type).to_owned(), MediaType::new(schema).into());
    }
    for (name, description) in [("ETag", "SHA-256 of the file"), ("Accept-Ranges", "`bytes`"), ("Content-Disposition", "Name of the file")]
    {
        response.headers.insert(name.to_owned(), text_header(description).into());
    }
}

/// Location of the content of a file.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// In the bucket, under this key.
    Object(String),
    /// In memory.
    Memory(Bytes),
}

/// Parses the column `files` of a row.
pub(crate) fn parse_files(files: &Value, owner: &str) -> Result<Vec<StoredFile>, ApiError> {
    let files: Vec<StoredFile> = Vec::deserialize(files)
        .map_err(|error| ApiError::internal(anyhow::Error::new(error).context(format!("broken column files of {owner}"))))?;
    match files.iter().find(|file| check_relative_path(&file.path).is_err()) {
        Some(file) => {
            Err(ApiError::internal(anyhow::anyhow!("broken column files of {owner}: `{}` is not a plain relative path", file.path)))
        }
        None => Ok(files),
    }
}

/// Location of a file below a prefix. Empty files are not fetched.
pub(crate) fn content_below(prefix: &str, file: &StoredFile) -> Result<Content, ApiError> {
    if file.bytes == 0 { Ok(Content::Memory(Bytes::new())) } else { Ok(Content::Object(key_below(prefix, &file.path)?)) }
}

/// Object key of a file below a stored prefix.
pub(crate) fn key_below(prefix: &str, path: &str) -> Result<String, ApiError> {
    ObjectPrefix::stored(prefix).file(path).map_err(ApiError::internal)
}

/// The file with this path, or an error that lists the available files.
pub(crate) fn find<'a>(files: &'a [StoredFile], path: &str) -> Result<&'a StoredFile, ApiError> {
    files.iter().find(|file| file.path == path).ok_or_else(|| {
        let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        ApiError::not_found(format!("file `{path}` not found: available files are {}", names.join(", ")))
    })
}

/// Responds with a file: all of it, a range, only headers, or 304 if the client has it already.
pub(crate) async fn send(store: &Store, request: &FileRequest, file: &StoredFile, content: Content) -> Result<Response, ApiError> {
    let FileRequest { method, headers } = request;
    let etag = format!("\"{}\"", file.sha256);
    if matches_etag(headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, file_headers(file, &etag)).into_response());
    }
    // with a stale `If-Range` the whole file is sent: a range of this version does not fit the client's part
    let range_applies = headers.get(header::IF_RANGE).is_none_or(|listed| is_strong_match(listed, &etag));
    let range = headers.get(header::RANGE).filter(|_| range_applies).and_then(|value| value.to_str().ok());
    let (status, first, length) = match parse_range(range, file.bytes) {
        RangeRequest::Full => (StatusCode::OK, 0, file.bytes),
        RangeRequest::Partial(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        RangeRequest::Unsatisfiable => {
            let detail = format!("the file has {} bytes", file.bytes);
            let mut response = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail).into_response();
            insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", file.bytes));
            return Ok(response);
        }
    };
    let body = if method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        match content {
            Content::Memory(bytes) => {
                let start = usize::try_from(first).unwrap_or(usize::MAX).min(bytes.len());
                let end = usize::try_from(first + length).unwrap_or(usize::MAX).min(bytes.len());
                Body::from(bytes.slice(start..end))
            }
            Content::Object(key) => {
                let range = (status == StatusCode::PARTIAL_CONTENT).then_some(ObjectRange { first, last: Some(first + length - 1) });
                Body::from_stream(open(store, &key, range).await?.stream)
            }
        }
    };
    let mut response_headers = file_headers(file, &etag);
    insert(&mut response_headers, header::CONTENT_LENGTH, &length.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        insert(&mut response_headers, header::CONTENT_RANGE, &format!("bytes {first}-{}/{}", first + length - 1, file.bytes));
    }
    Ok((status, response_headers, body).into_response())
}

fn file_headers(file: &StoredFile, etag: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, header::ETAG, etag);
    insert(&mut headers, header::ACCEPT_RANGES, "bytes");
    insert(&mut headers, header::CONTENT_TYPE, content_type(&file.path));
    // files are immutable; `private` because access depends on the API key
    insert(&mut headers, header::CACHE_CONTROL, "private, max-age=86400, immutable");
    let name = file.path.rsplit('/').next().unwrap_or("file");
    insert(&mut headers, header::CONTENT_DISPOSITION, &attachment(name));
    headers
}

/// A `Content-Disposition` that makes browsers save the file instead of showing it.
pub(crate) fn attachment(name: &str) -> String {
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{safe}\"")
}

/// Inserts a header; a value that is not a valid header value is skipped.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether `If-None-Match` lists the ETag, also as a weak one: a compressed file is the same file.
pub(crate) fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    let value = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').map(str::trim).any(|listed| listed == etag || listed == "*" || listed.strip_prefix("W/") == Some(etag))
}

/// Whether an `If-Range` names exactly these bytes. A weak ETag is that of a compressed file, and a range of this one does not fit it.
fn is_strong_match(listed: &HeaderValue, etag: &str) -> bool {
    listed.as_bytes() == etag.as_bytes()
}

fn content_type(path: &str) -> &'static str {
    let found = path.rsplit_once('.').and_then(|(_, extension)| MEDIA_TYPES.iter().find(|(known, _)| *known == extension));
    found.map_or(OTHER_MEDIA_TYPE, |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_outside_the_prefix_are_rejected() {
        for bad in ["../x", "a/../b", "/etc/passwd", "a//b", "", ".", "c:\\x", "a\0"] {
            let files = serde_json::json!([{ "path": bad, "bytes": 1, "sha256": "" }]);
            assert!(parse_files(&files, "a test").is_err(), "{bad}");
        }
        let files = serde_json::json!([{ "path": "data/train-00000-of-00001.parquet", "bytes": 1, "sha256": "" }]);
        assert_eq!(parse_files(&files, "a test").unwrap().len(), 1);
    }

    #[test]
    fn an_etag_is_found_in_a_list() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "\"a\", W/\"b\"".parse().unwrap());
        assert!(matches_etag(&headers, "\"a\"") && matches_etag(&headers, "\"b\"") && !matches_etag(&headers, "\"c\""));
    }

    #[test]
    fn a_part_of_a_compressed_file_is_not_continued_with_uncompressed_bytes() {
        let is_match = |listed: &'static str| is_strong_match(&HeaderValue::from_static(listed), "\"a\"");
        assert!(is_match("\"a\"") && !is_match("W/\"a\"") && !is_match("*") && !is_match("\"b\""));
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        assert_eq!(attachment("a\"; x=\r\ny"), "attachment; filename=\"a___x___y\"");
    }
}
