//! Pages of a sign-in: the one that goes on within this site, and errors.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::http::auth::sign_in_browser::SignInBrowser;
use crate::api::http::error::ApiError;
use crate::api::web::{protect, with_nonce};

const STYLE: &str = "<style nonce=\"__CSP_NONCE__\">body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1.5rem;\
    color-scheme:light dark}h1{font-size:1.3rem}</style>";

/// Sends the browser on to a path of this server.
///
/// A redirect would not do: the browser came from another site, so it would not send the cookie of the session with it. A page of this
/// server starts a navigation of its own.
pub(super) fn landing(path: &str, browser: &SignInBrowser) -> Response {
    let target = escape(path);
    let (title, link) = if browser.prefers_portuguese { ("Entrando…", "Continuar") } else { ("Signing in…", "Continue") };
    let head = format!("<meta http-equiv=\"refresh\" content=\"0;url={target}\">");
    respond(StatusCode::OK, browser, title, &head, &format!("<p><a href=\"{target}\">{link}</a></p>"))
}

/// An error as a page for browsers, and as a problem for other clients.
pub(super) fn failure(error: ApiError, browser: &SignInBrowser) -> Response {
    let detail = error.detail().to_owned();
    let problem = error.into_response();
    if !browser.accepts_html {
        return problem;
    }
    let (title, link) = if browser.prefers_portuguese {
        ("Não foi possível entrar", "Voltar à página de entrada")
    } else {
        ("Sign-in failed", "Back to the sign-in page")
    };
    let body = format!("<p>{}</p><p><a href=\"/sign-in\">{link}</a></p>", escape(&detail));
    let mut page = respond(problem.status(), browser, title, "", &body);
    if let Some(delay) = problem.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, delay.clone());
    }
    page
}

fn respond(status: StatusCode, browser: &SignInBrowser, title: &str, head: &str, body: &str) -> Response {
    let language = if browser.prefers_portuguese { "pt-BR" } else { "en" };
    let text = format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · Aprendiz</title>{STYLE}{head}</head><body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let (text, nonce) = with_nonce(&text);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    protect(headers, nonce.as_deref());
    response
}

/// A text in HTML, also between quotes.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, char| {
        match char {
            '&' | '<' | '>' | '"' | '\'' => {
                // writing to a string does not fail
                let _ = write!(escaped, "&#{};", u32::from(char));
            }
            _ => escaped.push(char),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<img onerror='a'>&\""), "&#60;img onerror=&#39;a&#39;&#62;&#38;&#34;");
    }
}
