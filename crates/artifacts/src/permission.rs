//! Permissions of S3 that the store needs, so that a refusal can name the missing one.

use std::fmt;

/// A permission of an S3 policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    ListBucket,
    ListBucketMultipartUploads,
    GetObject,
    PutObject,
    DeleteObject,
    AbortMultipartUpload,
}

impl Permission {
    /// Whether a policy grants it on the bucket, not on its objects.
    pub(crate) const fn is_of_bucket(self) -> bool {
        matches!(self, Self::ListBucket | Self::ListBucketMultipartUploads)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListBucket => "s3:ListBucket",
            Self::ListBucketMultipartUploads => "s3:ListBucketMultipartUploads",
            Self::GetObject => "s3:GetObject",
            Self::PutObject => "s3:PutObject",
            Self::DeleteObject => "s3:DeleteObject",
            Self::AbortMultipartUpload => "s3:AbortMultipartUpload",
        })
    }
}
