//! Behaviour of stores in addition to keeping objects: conditions, rights, lists of uploads, refusals, and
//! silence. By default, the store of the tests has none of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

/// The behaviour of a store; a test changes it while the store runs.
#[derive(Default)]
pub struct Manners {
    /// It honours `If-None-Match: *` and `If-Match`.
    pub has_conditions: AtomicBool,
    /// Nobody may remove objects.
    pub refuses_removal: AtomicBool,
    /// Nobody may write.
    pub refuses_writing: AtomicBool,
    /// It delays its answer about a new upload by a minute.
    pub is_silent_about_uploads: AtomicBool,
    /// It answers only with this error.
    pub answers: Mutex<Option<S3ErrorCode>>,
    uploads: Mutex<Vec<(String, String)>>,
    /// Tags of written objects, by key.
    tags: Mutex<BTreeMap<String, String>>,
}

/// The action of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reads,
    Writes,
    Removes,
}

impl Manners {
    fn allow(&self, kind: Kind) -> S3Result<()> {
        if let Some(code) = &*self.answers.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(S3Error::new(code.clone()));
        }
        let refuses = match kind {
            Kind::Reads => false,
            Kind::Writes => self.refuses_writing.load(Ordering::Relaxed),
            Kind::Removes => self.refuses_removal.load(Ordering::Relaxed),
        };
        if refuses { Err(S3Error::new(S3ErrorCode::AccessDenied)) } else { Ok(()) }
    }

    /// Returns the names of the uploads that were begun and neither completed nor ended.
    pub fn uploads(&self) -> Vec<String> {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.iter().map(|(key, _)| key.clone()).collect()
    }

    fn forget(&self, id: &str) {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.retain(|(_, known)| known != id);
    }
}

/// A store of files with this behaviour.
pub(crate) struct Mannered {
    pub(crate) inner: FileSystem,
    /// The store that keeps the objects.
    pub(crate) objects: PathBuf,
    pub(crate) manners: Arc<Manners>,
    /// One write at a time: a condition holds until its write is done.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl Mannered {
    /// Fails if the request has a condition that does not hold.
    fn heed<T>(&self, request: &S3Request<T>, bucket: &str, key: &str) -> S3Result<()> {
        if !self.manners.has_conditions.load(Ordering::Relaxed) {
            return Ok(());
        }
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let (must_be_free, must_be) = (header("if-none-match").is_some(), header("if-match"));
        if !must_be_free && must_be.is_none() {
            return Ok(());
        }
        let is_there = self.objects.join(bucket).join(key).exists();
        let tags = self.manners.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = match must_be {
            None => !is_there,
            // An object that a test puts there has no tag that was reported.
            Some(wanted) => is_there && tags.get(key).is_none_or(|tag| tag == wanted),
        };
        if holds { Ok(()) } else { Err(S3Error::new(S3ErrorCode::PreconditionFailed)) }
    }
}

#[async_trait]
impl S3 for Mannered {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.manners.allow(Kind::Reads)?;
        self.inner.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.manners.allow(Kind::Reads)?;
        self.inner.head_object(request).await
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.manners.allow(Kind::Writes)?;
        self.inner.upload_part(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.manners.allow(Kind::Removes)?;
        self.inner.delete_object(request).await
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.manners.allow(Kind::Writes)?;
        let _writing = self.writing.lock().await;
        self.heed(&request, &request.input.bucket, &request.input.key)?;
        let key = request.input.key.clone();
        let written = self.inner.put_object(request).await?;
        if let Some(tag) = &written.output.e_tag {
            let mut tags = self.manners.tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.insert(key, tag.clone());
        }
        Ok(written)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.manners.allow(Kind::Writes)?;
        let _writing = self.writing.lock().await;
        self.heed(&request, &request.input.bucket, &request.input.key)?;
        self.inner.copy_object(request).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.manners.allow(Kind::Writes)?;
        let key = request.input.key.clone();
        let created = self.inner.create_multipart_upload(request).await?;
        if let Some(id) = &created.output.upload_id {
            let mut uploads = self.manners.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            uploads.push((key, id.clone()));
        }
        if self.manners.is_silent_about_uploads.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Ok(created)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.manners.allow(Kind::Writes)?;
        self.manners.forget(&request.input.upload_id);
        self.inner.complete_multipart_upload(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.manners.allow(Kind::Removes)?;
        self.manners.forget(&request.input.upload_id);
        self.inner.abort_multipart_upload(request).await
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.manners.allow(Kind::Reads)?;
        let prefix = request.input.prefix.unwrap_or_default();
        let known = self.manners.uploads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let under = known.into_iter().filter(|(key, _)| key.starts_with(&prefix));
        let of = |(key, id)| MultipartUpload { key: Some(key), upload_id: Some(id), ..Default::default() };
        let uploads = Some(under.map(of).collect());
        Ok(S3Response::new(ListMultipartUploadsOutput { uploads, ..Default::default() }))
    }
}
