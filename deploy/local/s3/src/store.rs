//! The file store, with what Amazon has beyond it: checksums of parts, refused before anything is stored, and the list of uploads.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use crate::checksum::{blob, read_verified};
use crate::uploads::Uploads;

#[derive(Debug)]
pub(crate) struct Store {
    files: FileSystem,
    uploads: Uploads,
}

impl Store {
    pub(crate) fn new(files: FileSystem) -> Self {
        Self { files, uploads: Uploads::default() }
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let body = req.input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        let given = Checksum {
            checksum_crc32: req.input.checksum_crc32.clone(),
            checksum_crc32c: req.input.checksum_crc32c.clone(),
            checksum_crc64nvme: req.input.checksum_crc64nvme.clone(),
            checksum_sha1: req.input.checksum_sha1.clone(),
            checksum_sha256: req.input.checksum_sha256.clone(),
            ..Default::default()
        };
        let (bytes, _) = read_verified(body, given, req.trailing_headers.as_ref()).await?;
        req.input.body = Some(blob(bytes));
        self.files.put_object(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let algorithm = req.input.checksum_algorithm.clone();
        let mut response = self.files.create_multipart_upload(req).await?;
        if let Some(id) = &response.output.upload_id {
            self.uploads.start(id, &bucket, &key, algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned()));
        }
        response.output.checksum_algorithm = algorithm;
        Ok(response)
    }

    async fn upload_part(&self, mut req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let body = req.input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        let given = Checksum {
            checksum_crc32: req.input.checksum_crc32.clone(),
            checksum_crc32c: req.input.checksum_crc32c.clone(),
            checksum_crc64nvme: req.input.checksum_crc64nvme.clone(),
            checksum_sha1: req.input.checksum_sha1.clone(),
            checksum_sha256: req.input.checksum_sha256.clone(),
            ..Default::default()
        };
        let (bytes, sum) = read_verified(body, given.clone(), req.trailing_headers.as_ref()).await?;
        self.uploads.add_part(&req.input.upload_id, req.input.part_number, sum)?;
        req.input.body = Some(blob(bytes));
        let mut response = self.files.upload_part(req).await?;
        response.output.checksum_crc32 = given.checksum_crc32;
        response.output.checksum_crc32c = given.checksum_crc32c;
        response.output.checksum_crc64nvme = given.checksum_crc64nvme;
        response.output.checksum_sha1 = given.checksum_sha1;
        response.output.checksum_sha256 = given.checksum_sha256;
        Ok(response)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = req.input.upload_id.clone();
        let parts = req.input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
        self.uploads.check_parts(&id, parts)?;
        let response = self.files.complete_multipart_upload(req).await?;
        self.uploads.end(&id);
        Ok(response)
    }

    async fn abort_multipart_upload(&self, req: S3Request<AbortMultipartUploadInput>) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = req.input.upload_id.clone();
        // the file store refuses an upload that has ended as if the key had no rights
        let aborted = self.files.abort_multipart_upload(req).await;
        self.uploads.end(&id);
        aborted.map_err(|_| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    async fn list_multipart_uploads(&self, req: S3Request<ListMultipartUploadsInput>) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let ListMultipartUploadsInput { bucket, prefix, max_uploads, .. } = req.input;
        let mut uploads = self.uploads.list(&bucket, prefix.as_deref().unwrap_or_default());
        let limit = usize::try_from(max_uploads.unwrap_or(1_000)).unwrap_or(1_000);
        let is_truncated = uploads.len() > limit;
        uploads.truncate(limit);
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(bucket),
            prefix,
            is_truncated: Some(is_truncated),
            uploads: Some(uploads),
            ..Default::default()
        }))
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.files.delete_bucket(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(req).await
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.files.delete_object(req).await
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.files.list_parts(req).await
    }
}
