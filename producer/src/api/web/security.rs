//! Headers that restrict what a page of the web interface may load, and who may embed it.

use std::fmt::Write as _;

use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Is replaced in the page by a value that is new in every response.
const PLACEHOLDER: &str = "__CSP_NONCE__";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const NO_PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A page whose placeholder is replaced, and the value in its place.
pub(in crate::api) fn with_nonce(page: &str) -> (String, Option<String>) {
    if !page.contains(PLACEHOLDER) {
        return (page.to_owned(), None);
    }
    // version 4 is made of 122 bits of the operating system
    let nonce = Uuid::new_v4().simple().to_string();
    (page.replace(PLACEHOLDER, &nonce), Some(nonce))
}

/// Adds the headers of a page: only files of this server, no inline code, in no frame.
pub(in crate::api) fn protect(headers: &mut HeaderMap, nonce: Option<&str>) {
    let mut styles = "'self'".to_owned();
    if let Some(nonce) = nonce {
        // writing to a string does not fail
        let _ = write!(styles, " 'nonce-{nonce}'");
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("a nonce in hex is valid in a header");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(NO_PERMISSIONS));
}
