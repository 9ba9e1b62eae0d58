//! Answers that do not come from Aprendiz but from a proxy in front of it, with the setting to change.

use reqwest::{StatusCode, Url};

use crate::cli::error::CliError;

/// Explains an error response that is not a problem document.
pub(super) fn explain(status: StatusCode, base: &Url) -> CliError {
    let see = "see docs/PROXIES.md";
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => CliError::Refused(format!(
            "a proxy in front of Aprendiz at {base} refuses bodies of this size (413); nothing was stored: raise its limit (nginx: \
             client_max_body_size; ingress-nginx: proxy-body-size; Caddy: request_body max_size), {see}"
        )),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => CliError::Unreachable(format!(
            "a proxy at {base} does not reach Aprendiz ({}): is `aprendiz serve` running, and is it the upstream of the proxy? {see}",
            status.as_u16()
        )),
        StatusCode::GATEWAY_TIMEOUT => CliError::Unreachable(format!(
            "a proxy at {base} did not wait for the answer of Aprendiz (504); the request may still be in progress: raise its timeout (nginx: \
             proxy_read_timeout; ingress-nginx: proxy-read-timeout; Caddy: response_header_timeout), or import with --background; {see}"
        )),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => CliError::Refused(format!(
            "{base} answered {status}, but not as Aprendiz does: a proxy in front of it asks for credentials of its own or blocks the request; \
             check --url and the rules of the proxy"
        )),
        StatusCode::TOO_MANY_REQUESTS => CliError::Refused(format!(
            "a proxy in front of Aprendiz at {base} limits the number of requests (429): try again later, or raise its limit (nginx: limit_req)"
        )),
        _ => {
            let text = format!("unexpected response {status} from {base}, which may not be an Aprendiz server: check --url");
            if status.is_server_error() { CliError::Failed(anyhow::anyhow!(text)) } else { CliError::Refused(text) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_proxies_name_the_setting_to_change() {
        let base = Url::parse("http://proxy.example.org/").unwrap();
        for (status, is_temporary, setting) in [
            (413, false, "client_max_body_size"),
            (502, true, "upstream"),
            (503, true, "upstream"),
            (504, true, "proxy_read_timeout"),
            (401, false, "credentials"),
            (429, false, "limit_req"),
            (404, false, "check --url"),
            (500, false, "check --url"),
        ] {
            let error = explain(StatusCode::from_u16(status).unwrap(), &base);
            assert_eq!(error.is_temporary(), is_temporary, "{status}");
            let (CliError::Refused(text) | CliError::Unreachable(text)) = error else {
                assert_eq!(status, 500);
                continue;
            };
            assert!(text.contains(setting) && text.contains("http://proxy.example.org/"), "{text}");
        }
    }
}
