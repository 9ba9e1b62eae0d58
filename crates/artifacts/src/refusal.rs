//! Turns errors of the SDK into one line: what the store answered, whether it may answer otherwise later, and the way out.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::StoreError;
use crate::permission::Permission;

/// Maximum length of a message of the store.
const MAX_MESSAGE_CHARS: usize = 300;
/// Codes below 500 of answers that may change without anybody changing a setting: the bytes were damaged on their way, temporary
/// credentials are renewed, a later attempt starts another upload, or another host has a correct clock.
const TEMPORARY_CODES: [&str; 15] = [
    "BadDigest",
    "ConditionalRequestConflict",
    "ExpiredToken",
    "IncompleteBody",
    "InvalidPart",
    "NoSuchUpload",
    "OperationAborted",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
];

/// What was attempted, and where.
pub(crate) struct Operation<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key_prefix: &'a str,
    pub(crate) permission: Permission,
    /// In words, such as "writing `key`".
    pub(crate) text: String,
}

impl Operation<'_> {
    /// The error of a request that failed.
    pub(crate) fn failed<E>(self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        tracing::debug!(operation = self.text, error = %DisplayErrorContext(error), "request to the object store failed");
        let Some(answer) = Answer::from_error(error) else { return self.unanswered(error) };
        if answer.code == "NoSuchBucket"
            || (answer.status == 404 && matches!(answer.code.as_str(), "" | "NotFound") && self.permission.is_of_bucket())
        {
            return StoreError::MissingBucket(self.bucket.to_owned());
        }
        let reason = match answer.advice(&self) {
            Some(advice) => format!("{}; {advice}", answer.describe()),
            None => answer.describe(),
        };
        if answer.is_permanent() {
            StoreError::Rejected { operation: self.text, reason }
        } else {
            StoreError::Unavailable { operation: self.text, cause: reason }
        }
    }

    /// The error of a request without a valid answer.
    fn unanswered(self, error: &(dyn Error + 'static)) -> StoreError {
        let cause = without_layers(&chain(error));
        let advice = if cause.contains("Missing Region") {
            return StoreError::Setting { variable: "AWS_REGION", problem: "not set: expected the region of the bucket".to_owned() };
        } else if cause.contains("certificate") {
            "; set AWS_CA_BUNDLE to a PEM file with the certificate authority of the store (or SSL_CERT_FILE, for all connections)"
        } else if cause.contains("credential") {
            "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or another source of credentials of the AWS SDK"
        } else {
            "; check that the object store runs, and AWS_ENDPOINT_URL_S3"
        };
        StoreError::Unavailable { operation: self.text, cause: format!("{cause}{advice}") }
    }

    /// The objects of the bucket that belong to this installation, or the bucket.
    fn resource(&self) -> String {
        if self.permission.is_of_bucket() { self.bucket.to_owned() } else { format!("{}/{}*", self.bucket, self.key_prefix) }
    }
}

/// An answer of the store that is not a success.
struct Answer {
    status: u16,
    /// Empty if the answer has none, for example to a `HEAD` request.
    code: String,
    message: String,
    /// Region that the store names.
    region: Option<String>,
}

impl Answer {
    /// `None` if the store did not answer, or its answer is not one of S3.
    fn from_error<E: Error + ProvideErrorMetadata + 'static>(error: &SdkError<E, HttpResponse>) -> Option<Self> {
        let SdkError::ServiceError(service_error) = error else { return None };
        let response = service_error.raw();
        let body = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        let region = response.headers().get("x-amz-bucket-region").map(ToOwned::to_owned).or_else(|| element(&body, "Region"));
        Some(Self {
            status: response.status().as_u16(),
            code: one_line(error.code().unwrap_or_default()),
            message: one_line(error.message().unwrap_or_default()),
            region: region.map(|region| one_line(&region)),
        })
    }

    fn is_permanent(&self) -> bool {
        let rejects = (300..500).contains(&self.status) && ![307, 408, 425, 429].contains(&self.status);
        (rejects || [501, 505].contains(&self.status)) && !TEMPORARY_CODES.contains(&self.code.as_str())
    }

    fn describe(&self) -> String {
        let parts = [self.status.to_string(), self.code.clone()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let status = parts.join(" ");
        if self.message.is_empty() { status } else { format!("{status}: {}", self.message.trim_end_matches('.')) }
    }

    fn advice(&self, operation: &Operation<'_>) -> Option<String> {
        let text = format!("{} {}", self.code, self.message).to_ascii_lowercase();
        let is_redirect = matches!(self.status, 301 | 307) || ["PermanentRedirect", "TemporaryRedirect"].contains(&self.code.as_str());
        let advice = match (self.code.as_str(), self.status) {
            ("RequestTimeTooSkewed" | "RequestExpired", _) => {
                "the clock of this host differs from the clock of the store: synchronise it (NTP)".to_owned()
            }
            ("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301 | 307) => match &self.region {
                Some(region) => format!("the bucket is in the region {region}: set AWS_REGION={region}"),
                None if is_redirect => "set AWS_REGION and AWS_ENDPOINT_URL_S3 to the region and the endpoint of the bucket".to_owned(),
                None => "set AWS_REGION to the region of the bucket".to_owned(),
            },
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken" | "InvalidClientTokenId", _) => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; a proxy must not change the Host header".to_owned()
            }
            _ if self.code == "SecondLevelDomainForbidden" || text.contains("virtual host") || text.contains("virtual-host") => {
                "set APRENDIZ_BUCKET_ADDRESSING=virtual".to_owned()
            }
            (_, 400 | 501) if self.is_permanent() && (text.contains("checksum") || text.contains("x-amz-trailer")) => {
                "the store does not know these checksums: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and \
                 AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"
                    .to_owned()
            }
            (_, 401 | 403) => {
                format!("the credentials need the permission {} on `{}`", operation.permission, operation.resource())
            }
            _ => return None,
        };
        Some(advice)
    }
}

/// The messages of an error and its sources in one line, without those that repeat the one before.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    one_line(&text)
}

/// The causes without the names of the layers of the client that passed them on.
fn without_layers(chain: &str) -> String {
    const LAYERS: [&str; 4] = ["dispatch failure", "io error", "client error (Connect)", "client error (SendRequest)"];
    let causes: Vec<&str> = chain.split(": ").filter(|cause| !LAYERS.contains(cause)).collect();
    if causes.is_empty() { chain.to_owned() } else { causes.join(": ") }
}

/// The text of an XML element.
fn element(body: &str, name: &str) -> Option<String> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.to_owned())
}

/// The text without line ends and control characters, shortened.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;

    fn writing() -> Operation<'static> {
        Operation { bucket: "models", key_prefix: "team-a/", permission: Permission::PutObject, text: "writing `key`".to_owned() }
    }

    fn answer(status: u16, code: &str, message: &str, headers: &[(&'static str, &'static str)]) -> StoreError {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        let metadata = ErrorMetadata::builder().code(code).message(message).build();
        writing().failed(&SdkError::service_error(PutObjectError::generic(metadata), response))
    }

    #[test]
    fn a_rejection_is_one_line_and_permanent() {
        let error = answer(400, "InvalidRequest", "line one\nline two.", &[]);
        assert_eq!(error.to_string(), "the object store rejects writing `key`: 400 InvalidRequest: line one line two");
        assert!(!error.is_retryable());
    }

    #[test]
    fn overload_and_server_errors_may_pass() {
        for (status, code) in
            [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests"), (408, "RequestTimeout"), (200, "InternalError")]
        {
            let error = answer(status, code, "later", &[]);
            assert!(error.is_retryable(), "{error}");
            assert_eq!(error.to_string(), format!("object store error while writing `key`: {status} {code}: later"));
        }
    }

    #[test]
    fn each_known_refusal_has_its_way_out() {
        let checksum = "AWS_REQUEST_CHECKSUM_CALCULATION=when_required and AWS_RESPONSE_CHECKSUM_VALIDATION=when_required";
        let region: &[(&str, &str)] = &[("x-amz-bucket-region", "eu-central-1")];
        let cases = [
            (501, "NotImplemented", "Header 'x-amz-checksum-crc32' not implemented", &[][..], checksum, false),
            (400, "InvalidRequest", "Checksum Type mismatch: expected null, actual crc32", &[], checksum, false),
            (301, "PermanentRedirect", "use the endpoint", region, "set AWS_REGION=eu-central-1", false),
            (400, "AuthorizationHeaderMalformed", "wrong region", region, "set AWS_REGION=eu-central-1", false),
            (400, "AuthorizationHeaderMalformed", "wrong region", &[], "set AWS_REGION to the region", false),
            (403, "RequestTimeTooSkewed", "too large", &[], "synchronise it (NTP)", true),
            (403, "SecondLevelDomainForbidden", "Use virtual hosted style.", &[], "APRENDIZ_BUCKET_ADDRESSING=virtual", false),
            (403, "AccessDenied", "Access Denied", &[], "the permission s3:PutObject on `models/team-a/*`", false),
            (403, "SignatureDoesNotMatch", "no", &[], "AWS_SECRET_ACCESS_KEY", false),
        ];
        for (status, code, message, headers, expected, retryable) in cases {
            let error = answer(status, code, message, headers);
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains(code), "{text}");
            assert_eq!(error.is_retryable(), retryable, "{text}");
        }
    }

    #[test]
    fn the_cause_is_named_without_the_layers_above_it() {
        let chain = "dispatch failure: io error: client error (Connect): tcp connect error: Connection refused (os error 111)";
        assert_eq!(without_layers(chain), "tcp connect error: Connection refused (os error 111)");
        assert_eq!(without_layers("dispatch failure"), "dispatch failure");
    }

    #[test]
    fn a_damaged_transfer_is_retried_without_advice_about_checksums() {
        let error = answer(400, "BadDigest", "The checksum did not match", &[]);
        assert!(error.is_retryable() && !error.to_string().contains("AWS_"), "{error}");
    }

    #[test]
    fn the_region_of_the_body_is_found() {
        assert_eq!(element("<Error><Region>eu-west-3</Region></Error>", "Region").as_deref(), Some("eu-west-3"));
        assert_eq!(element("<Error><Region>eu", "Region"), None);
    }

    #[test]
    fn a_missing_bucket_is_distinguished_and_can_still_be_created() {
        let error = answer(404, "NoSuchBucket", "no", &[]);
        assert!(matches!(&error, StoreError::MissingBucket(bucket) if bucket == "models") && error.is_retryable(), "{error}");
    }
}
