//! Settings of logs, and of the export of traces in the standard variables of OpenTelemetry.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aprendiz_telemetry::{LogConfig, TraceConfig, TraceSampler};
use secrecy::{ExposeSecret as _, SecretString};

use crate::variables::Environment;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Path of traces below the endpoint of all signals.
const TRACES_PATH: &str = "/v1/traces";

/// Limits of the queue of spans. The SDK reads them, and would ignore an invalid one silently.
const QUEUE_LIMITS: [&str; 4] =
    ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"];

/// Variables of features that this build does not have.
const UNSUPPORTED: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
];

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// Reads `RUST_LOG` and `APRENDIZ_LOG_FORMAT`.
    ///
    /// # Errors
    /// `APRENDIZ_LOG_FORMAT` is neither `text` nor `json`.
    pub fn log(&self) -> Result<LogConfig> {
        let json = match self.text("APRENDIZ_LOG_FORMAT").as_deref() {
            None => None,
            Some("json") => Some(true),
            Some("text") => Some(false),
            Some(other) => bail!("APRENDIZ_LOG_FORMAT is `{other}`: expected text or json"),
        };
        Ok(LogConfig { filter: self.text("RUST_LOG"), json })
    }

    /// Reads the variables `OTEL_…` of traces. `None` unless an endpoint is set.
    ///
    /// # Errors
    /// A variable is invalid. The message names it and never shows a header.
    pub fn traces(&self) -> Result<Option<TraceConfig>> {
        let is_disabled = self.text("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match self.text("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => bail!("OTEL_TRACES_EXPORTER is `{other}`: expected otlp or none"),
        }
        let Some(endpoint) = self.traces_endpoint()?.filter(|_| !is_disabled) else { return Ok(None) };
        if let Some((name, protocol)) = self.of_traces("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            bail!("{name} is `{protocol}`: expected http/protobuf, which collectors accept on port 4318");
        }
        if let Some((name, compression)) = self.of_traces("COMPRESSION").filter(|(_, text)| !["gzip", "none"].contains(&text.as_str())) {
            bail!("{name} is `{compression}`: expected gzip or none");
        }
        if let Some(name) = UNSUPPORTED.into_iter().find(|name| self.text(name).is_some()) {
            bail!("{name} is set, and client certificates of the exporter are not supported: send to a collector on this host, which can");
        }
        if let Some(names) = self.text("OTEL_PROPAGATORS").filter(|names| !names.split(',').any(|name| name.trim() == "tracecontext")) {
            bail!("OTEL_PROPAGATORS is `{names}`: expected a list with tracecontext, which is the only one that is used");
        }
        for name in QUEUE_LIMITS {
            self.number(name, 1_u64, 1..=86_400_000)?;
        }
        let timeout = match self.of_traces("TIMEOUT") {
            Some((name, _)) => self.number(&name, 10_000_u64, 1..=600_000)?,
            None => 10_000,
        };
        Ok(Some(TraceConfig {
            endpoint,
            headers: self.trace_headers()?,
            timeout: Duration::from_millis(timeout),
            sampler: self.sampler()?,
            certificate: self.of_traces("CERTIFICATE").map(|(_, path)| PathBuf::from(path)),
            is_service_named: self.is_service_named(),
        }))
    }

    /// A variable of the exporter with its name; that of traces overrides that of all signals.
    fn of_traces(&self, suffix: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")];
        names.into_iter().find_map(|name| self.text(&name).map(|value| (name, value)))
    }

    fn traces_endpoint(&self) -> Result<Option<String>> {
        let of_all = || self.text(ENDPOINT).map(|url| (ENDPOINT, format!("{}{TRACES_PATH}", url.trim_end_matches('/'))));
        let Some((name, url)) = self.text(TRACES_ENDPOINT).map(|url| (TRACES_ENDPOINT, url)).or_else(of_all) else { return Ok(None) };
        let host = ["http://", "https://"].into_iter().find_map(|scheme| url.strip_prefix(scheme));
        // a password in a URL would reach logs
        let is_valid = host.is_some_and(|rest| !rest.starts_with('/') && !rest.contains('@'));
        ensure!(
            is_valid,
            "{name} is invalid: expected http://HOST:PORT or https://HOST:PORT, with credentials in OTEL_EXPORTER_OTLP_HEADERS"
        );
        Ok(Some(url))
    }

    fn trace_headers(&self) -> Result<Vec<(String, SecretString)>> {
        for name in ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"] {
            if let Some(headers) = self.secret(name)? {
                let pairs = headers.expose_secret().split(',').map(str::trim).filter(|pair| !pair.is_empty());
                return pairs
                    .map(|pair| {
                        parse_header(pair).with_context(|| format!("{name} is invalid (value hidden): expected NAME=VALUE,NAME=VALUE"))
                    })
                    .collect();
            }
        }
        Ok(Vec::new())
    }

    fn sampler(&self) -> Result<TraceSampler> {
        let name = self.text("OTEL_TRACES_SAMPLER").unwrap_or_else(|| "parentbased_always_on".to_owned());
        let ratio = self.decimal("OTEL_TRACES_SAMPLER_ARG", 1.0, 0.0..=1.0)?;
        TraceSampler::from_name(&name, ratio).with_context(|| {
            format!(
                "OTEL_TRACES_SAMPLER is `{name}`: expected always_on, always_off, traceidratio, parentbased_always_on, \
                 parentbased_always_off or parentbased_traceidratio"
            )
        })
    }

    fn is_service_named(&self) -> bool {
        let attributes = self.text("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        self.text("OTEL_SERVICE_NAME").is_some() || attributes.split(',').any(|pair| pair.trim().starts_with("service.name="))
    }
}

/// A header whose value may be percent-encoded.
fn parse_header(pair: &str) -> Option<(String, SecretString)> {
    let (name, value) = pair.split_once('=')?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = Some(name.trim()).filter(|name| !name.is_empty() && name.bytes().all(is_token))?;
    let value = decode(value.trim()).filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)))?;
    Some((name.to_owned(), value.into()))
}

/// Decodes `%XX`.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(pairs: &[(&str, &str)]) -> Result<Option<TraceConfig>> {
        Environment::from_fn(|name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())).traces()
    }

    #[test]
    fn traces_are_off_without_an_endpoint_or_if_disabled() {
        let endpoint = (ENDPOINT, "http://collector:4318");
        for pairs in [&[][..], &[endpoint, ("OTEL_SDK_DISABLED", "true")], &[endpoint, ("OTEL_TRACES_EXPORTER", "none")]] {
            assert!(traces(pairs).unwrap().is_none(), "{pairs:?}");
        }
    }

    #[test]
    fn the_endpoint_of_traces_overrides_that_of_all_signals_and_is_used_as_it_is() {
        let url = |pairs: &[(&str, &str)]| traces(pairs).unwrap().unwrap().endpoint;
        assert_eq!(url(&[(ENDPOINT, "http://collector:4318/")]), "http://collector:4318/v1/traces");
        assert_eq!(url(&[(ENDPOINT, "http://a"), (TRACES_ENDPOINT, "https://b/custom")]), "https://b/custom");
    }

    #[test]
    fn headers_are_decoded_and_never_shown() {
        let pairs = [(ENDPOINT, "http://a"), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2, Authorization=Bearer%20x%3D1")];
        let config = traces(&pairs).unwrap().unwrap();
        let headers: Vec<(&str, &str)> = config.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(headers, [("api-key", "hunter2"), ("Authorization", "Bearer x=1")]);
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = traces(&[(ENDPOINT, "http://a"), ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")]).unwrap_err();
        assert!(format!("{error:?}").contains("OTEL_EXPORTER_OTLP_HEADERS") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn invalid_settings_name_their_variable() {
        for (variable, value) in [
            (ENDPOINT, "collector:4318"),
            (ENDPOINT, "http://user:hunter2@collector"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
            ("OTEL_PROPAGATORS", "b3"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ] {
            let mut pairs = vec![(variable, value)];
            pairs.extend((variable != ENDPOINT).then_some((ENDPOINT, "http://a")));
            let error = traces(&pairs).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_service_name_of_the_environment_is_kept() {
        let named = |pair| traces(&[(ENDPOINT, "http://a"), pair]).unwrap().unwrap().is_service_named;
        assert!(named(("OTEL_SERVICE_NAME", "x")) && named(("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=x")));
        assert!(!named(("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")));
    }
}
