//! Refusals that stores are known for: missing permissions, unknown checksum headers, one addressing style only.

use s3s::access::{S3Access, S3AccessContext};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// Operations that are denied, such as `AbortMultipartUpload`.
    pub(crate) deny: Vec<String>,
    /// Refuses headers of checksums, as stores do that do not know them.
    pub(crate) reject_checksums: bool,
    /// The base domain, if requests must name the bucket in the host.
    pub(crate) virtual_only: Option<String>,
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        if self.deny.iter().any(|denied| denied == cx.s3_op().name()) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let is_checksum = |name: &str| name.starts_with("x-amz-checksum-") || name.starts_with("x-amz-sdk-checksum-");
        if self.reject_checksums
            && let Some(name) = cx.headers().keys().map(|name| name.as_str()).find(|name| is_checksum(name))
        {
            return Err(s3_error!(NotImplemented, "Header '{name}' not implemented"));
        }
        let host = cx.headers().get("host").and_then(|host| host.to_str().ok());
        if self.virtual_only.is_some() && self.virtual_only.as_deref() == host {
            let code = S3ErrorCode::Custom("SecondLevelDomainForbidden".into());
            let mut error = S3Error::with_message(code, "Use virtual hosted style to access this bucket.");
            error.set_status_code(hyper::StatusCode::FORBIDDEN);
            return Err(error);
        }
        Ok(())
    }
}
