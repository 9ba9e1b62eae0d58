//! The trace of requests with `--verbose`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Request, Response, StatusCode, header};

use crate::cli::terminal::print_message;

/// Header that identifies a request in the log of the server.
const REQUEST_ID_HEADER: &str = "x-request-id";
static IS_VERBOSE: AtomicBool = AtomicBool::new(false);

/// Prints every request and response to standard error.
pub(crate) fn be_verbose() {
    IS_VERBOSE.store(true, Ordering::Relaxed);
}

/// The ID of the request that a response answers.
pub(super) fn request_id(response: &Response) -> Option<String> {
    response.headers().get(REQUEST_ID_HEADER)?.to_str().ok().map(str::to_owned)
}

/// A request on its way.
pub(super) struct Trace(Option<Instant>);

impl Trace {
    pub(super) fn start(request: &Request) -> Self {
        if !IS_VERBOSE.load(Ordering::Relaxed) {
            return Self(None);
        }
        print_message(&format!("> {} {}", request.method(), request.url()));
        for (name, value) in request.headers() {
            let is_secret = name == header::AUTHORIZATION || name == header::COOKIE;
            let value = if is_secret { "(secret)" } else { value.to_str().unwrap_or("(binary)") };
            print_message(&format!(">   {name}: {value}"));
        }
        Self(Some(Instant::now()))
    }

    pub(super) fn end(&self, outcome: &reqwest::Result<Response>) {
        let Some(start) = self.0 else { return };
        let text = match outcome {
            Ok(response) => describe(response.status(), start.elapsed(), request_id(response).as_deref()),
            Err(error) => format!("< no response after {} ms: {error}", start.elapsed().as_millis()),
        };
        print_message(&text);
    }
}

fn describe(status: StatusCode, elapsed: Duration, id: Option<&str>) -> String {
    let id = id.map(|id| format!(", request {id}")).unwrap_or_default();
    format!("< {status} after {} ms{id}", elapsed.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_traced_with_its_request_id() {
        assert_eq!(describe(StatusCode::OK, Duration::from_millis(12), Some("a")), "< 200 OK after 12 ms, request a");
        assert_eq!(describe(StatusCode::NOT_FOUND, Duration::ZERO, None), "< 404 Not Found after 0 ms");
    }
}
