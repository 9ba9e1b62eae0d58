//! Tests of the web interface with a bundle of their own.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;

use super::paths::{ApiPrefixes, Target, target};
use super::*;

const INDEX: &str = "<!doctype html><style nonce=\"__CSP_NONCE__\"></style><script type=module src=/assets/app-1.js></script>";

fn bundle() -> Bundle {
    let files: [(&str, &'static [u8]); 5] = [
        ("index.html", INDEX.as_bytes()),
        ("index.html.br", b"never sent"),
        ("assets/app-1.js", b"console.log(1)"),
        ("assets/app-1.js.br", b"compressed"),
        ("favicon.svg", b"<svg/>"),
    ];
    Bundle::from_files(files.into_iter().map(|(name, data)| (name.to_owned(), Cow::Borrowed(data))))
}

fn prefixes() -> ApiPrefixes {
    ApiPrefixes::from_paths(["/v1/models", "/jobs/{id}", "/training-runs", "/openapi.json", "/healthz"].into_iter())
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    serve_from(&bundle(), &request("GET", path, headers), &prefixes()).unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[test]
fn views_are_the_page_and_paths_of_the_api_are_not() {
    let of = |path: &str, accept: &str| {
        let request = request("GET", path, &[("accept", accept)]);
        format!("{:?}", target(path, request.headers(), &prefixes()))
    };
    for view in ["/", "/runs", "/runs/019aa2c8/metrics", "/models/contracts", "/vendor", "/v1x"] {
        assert_eq!(of(view, BROWSER.1), format!("{:?}", Target::Page), "{view}");
    }
    for of_api in
        ["/v1", "/v1/", "/v1/nothing", "/V1/models", "/v2/models", "/jobs/1/x", "/training-runs/1/x/y", "/healthz/x", "/openapi.json/x"]
    {
        assert_eq!(of(of_api, BROWSER.1), format!("{:?}", Target::None), "{of_api}");
    }
    // a client that is no browser gets no page under a mistyped address
    assert_eq!(of("/model", "*/*"), format!("{:?}", Target::None));
    assert_eq!(of("/model", "application/json"), format!("{:?}", Target::None));
    assert_eq!(of("/", "*/*"), format!("{:?}", Target::Page));
    for file in ["/favicon.ico", "/assets/app-1.js", "/assets/none", "/../etc/passwd.txt"] {
        assert_eq!(of(file, BROWSER.1), format!("{:?}", Target::File(&file[1..])), "{file}");
    }
}

#[tokio::test]
async fn the_page_has_a_new_nonce_in_every_response_and_no_etag() {
    let mut nonces = BTreeSet::new();
    for path in ["/", "/index.html", "/runs/1"] {
        let response = get(path, &[BROWSER]);
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers().clone();
        assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert!(!headers.contains_key(header::ETAG) && !headers.contains_key(header::CONTENT_ENCODING));
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        let page = text(response).await;
        assert_eq!(page, INDEX.replace("__CSP_NONCE__", &nonce));
        assert!(nonce.len() >= 32 && nonces.insert(nonce));
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(headers[name], value);
        }
    }
}

#[tokio::test]
async fn hashed_files_are_cached_for_good_and_compressed_for_those_who_read_it() {
    let plain = get("/assets/app-1.js", &[]);
    assert_eq!(plain.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(plain.headers()[header::VARY], "accept-encoding");
    let tag = plain.headers()[header::ETAG].clone();
    assert_eq!(text(plain).await, "console.log(1)");
    for accepted in ["br", "gzip, deflate, br", "gzip;q=1.0, BR;q=0.5", "*"] {
        let compressed = get("/assets/app-1.js", &[("accept-encoding", accepted)]);
        assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "br", "{accepted}");
        assert_ne!(compressed.headers()[header::ETAG], tag);
        assert_eq!(text(compressed).await, "compressed");
    }
    for refused in ["gzip", "br;q=0", "identity", "*, br;q=0", "*;q=0", "brotli"] {
        let plain = get("/assets/app-1.js", &[("accept-encoding", refused)]);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING), "{refused}");
    }
    let other = get("/favicon.svg", &[]);
    assert_eq!(other.headers()[header::CACHE_CONTROL], "no-cache");
    let known = get("/favicon.svg", &[("if-none-match", &format!("\"x\", W/{}", other.headers()[header::ETAG].to_str().unwrap()))]);
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}

#[test]
fn unknown_files_other_methods_and_compressed_names_are_not_found() {
    for (method, path) in [
        ("GET", "/assets/none.js"),
        ("GET", "/assets/app-1.js.br"),
        ("GET", "/assets/../index.html"),
        ("GET", "/none.txt"),
        ("GET", "/v1/none"),
        ("POST", "/"),
        ("DELETE", "/runs/1"),
    ] {
        let error = serve_from(&bundle(), &request(method, path, &[BROWSER]), &prefixes()).unwrap_err();
        assert!(format!("{error:?}").contains("404"), "{method} {path}: {error:?}");
    }
}

#[tokio::test]
async fn a_build_without_the_interface_says_how_to_build_it() {
    let response = serve_from(&Bundle::default(), &request("GET", "/", &[]), &prefixes()).unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(!response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("nonce"));
    let page = text(response).await;
    assert!(page.contains("./dev web") && page.contains("not part of this build"), "{page}");
}

/// A path that looks like another host is answered here: nothing redirects.
#[test]
fn no_path_redirects() {
    for path in ["//example.org", "/%2f%2fexample.org", "/https://example.org", "/runs?next=https://example.org"] {
        if let Ok(response) = serve_from(&bundle(), &request("GET", path, &[BROWSER]), &prefixes()) {
            assert!(!response.status().is_redirection() && !response.headers().contains_key(header::LOCATION), "{path}");
        }
    }
}
