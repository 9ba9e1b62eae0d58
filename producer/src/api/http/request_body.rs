//! Receives request bodies: with a minimum pace, and while no slot of an ordinary request is held.

use std::error::Error;
use std::pin::pin;

use axum::Extension;
use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use futures::FutureExt as _;
use tokio::time::timeout;

use crate::api::http::admission::{Admission, exhausted_error, memory_exhausted};
use crate::api::http::error::ApiError;
use crate::api::state::AppState;
use crate::limits::paced_body::{BodyError, Meter, PacedBody};
use crate::limits::quota::Exhausted;

/// Size limit of the bodies of a route, in bytes. The framework keeps its own copy to itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxBodyBytes(usize);

/// Limits the bodies of routes that read them into memory. The innermost limit of a route applies.
pub(crate) fn limit_body(bytes: usize) -> (Extension<MaxBodyBytes>, DefaultBodyLimit) {
    (Extension(MaxBodyBytes(bytes)), DefaultBodyLimit::max(bytes))
}

/// Reads a body into memory, within the size limit of its route. Only a body that is not there yet gives up the slot of its request.
pub(crate) async fn read_to_memory(request: Request, state: &AppState) -> Result<Bytes, ApiError> {
    let admission = Admission::from_extensions(request.extensions())?;
    let limit = request.extensions().get::<MaxBodyBytes>().map_or(usize::MAX, |limit| limit.0);
    // a client that announces its size gets the answer before it has sent anything
    if request.body().size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let meter = {
        let admission = admission.clone();
        Box::new(move |bytes| admission.reserve_memory(bytes))
    };
    let request = request.map(|body| pace(body, state, meter));
    let mut receiving = pin!(Bytes::from_request(request, state));
    let received = if let Some(received) = receiving.as_mut().now_or_never() {
        received
    } else {
        admission.begin_receiving()?;
        let limit = state.config.request_timeout;
        let late = |_| ApiError::body_timeout(format!("the body was not received within {} s", limit.as_secs()));
        let received = timeout(limit, receiving).await.map_err(late)?;
        admission.end_receiving()?;
        received
    };
    received.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(ref failed) if failed.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => describe(&rejection, "", memory_exhausted),
    })
}

fn too_large() -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body exceeds the size limit of this route")
}

/// A body that fails when its client is too slow, or when `meter` has no room for it.
pub(crate) fn pace(body: Body, state: &AppState, meter: Meter) -> Body {
    Body::new(PacedBody::new(body, state.config.clients.min_pace, meter))
}

/// The error of an upload that is spooled.
pub(crate) fn upload_error(error: &axum::Error) -> ApiError {
    describe(error, "; nothing was imported", |exhausted| exhausted_error("spool", "bytes of imports on the server", exhausted))
}

/// Finds out why a body was not read to its end.
fn describe(error: &(dyn Error + 'static), consequence: &str, no_room: impl Fn(Exhausted) -> ApiError) -> ApiError {
    let mut cause = Some(error);
    let found = std::iter::from_fn(|| {
        let error = cause?;
        cause = error.source();
        Some(error)
    })
    .find_map(|error| error.downcast_ref::<BodyError>());
    match found {
        Some(error @ BodyError::TooSlow { .. }) => {
            ApiError::body_timeout(format!("{error}{consequence}: check the network between client and server"))
        }
        Some(BodyError::NoRoom(exhausted)) => no_room(*exhausted),
        Some(error @ BodyError::Broken { .. }) => ApiError::new(StatusCode::BAD_REQUEST, "read_failed", format!("{error}{consequence}")),
        None => ApiError::new(StatusCode::BAD_REQUEST, "read_failed", format!("the body could not be read completely{consequence}")),
    }
}
