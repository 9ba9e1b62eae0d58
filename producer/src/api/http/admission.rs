//! What one request holds of the shared slots, from its first header to the last byte of its response.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use metrics::counter;
use utoipa::openapi::path::Operation;

use crate::api::http::error::ApiError;
use crate::api::http::operation::Describe;
use crate::api::http::slots::{RequestClass, Slots};
use crate::connection::client::ClientConnection;
use crate::limits::held_body::HeldBody;
use crate::limits::quota::{Exhausted, KeyId, Share};
use crate::server::metrics::REJECTED;

/// Time that a request waits for a slot.
const SLOT_WAIT: Duration = Duration::from_secs(1);
/// Responses up to this size count for nothing once they are in the buffer of their connection.
const SMALL_RESPONSE_BYTES: u64 = 16 * 1024;

/// Admission of a request; handlers and extractors find it in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slots: Arc<Slots>,
    class: RequestClass,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    key: Option<KeyId>,
    /// Slot of the class, or of `receiving`.
    slot: Option<Share>,
    is_receiving: bool,
    /// Bytes of the request body.
    memory: Option<Share>,
}

impl Admission {
    /// Takes a slot of the class. Waits for a moment: the slots may be taken by requests whose key turns out to have used up its part, and
    /// they are refused as soon as they are authenticated.
    pub(crate) async fn begin(slots: Arc<Slots>, class: RequestClass) -> Result<Self, ApiError> {
        let slot = slots.by_class(class).take(None, 1, SLOT_WAIT).await.map_err(|exhausted| class_exhausted(class, exhausted))?;
        let held = Mutex::new(Held { slot: Some(slot), ..Held::default() });
        Ok(Self(Arc::new(Inner { slots, class, held })))
    }

    /// The admission of a request.
    pub(crate) fn from_extensions(extensions: &Extensions) -> Result<Self, ApiError> {
        extensions.get::<Self>().cloned().ok_or_else(|| ApiError::internal(anyhow::anyhow!("a route outside the admission control")))
    }

    /// The API key, once the request is authenticated.
    pub(crate) fn key(&self) -> Option<KeyId> {
        self.lock().key
    }

    /// Counts the request for its API key.
    pub(crate) fn assign_key(&self, key: KeyId) -> Result<(), ApiError> {
        let mut held = self.lock();
        held.key = Some(key);
        match &mut held.slot {
            Some(slot) => slot.assign(key).map_err(|exhausted| class_exhausted(self.0.class, exhausted)),
            None => Ok(()),
        }
    }

    /// Whether the body is being received.
    pub(crate) fn is_receiving(&self) -> bool {
        self.lock().is_receiving
    }

    /// Gives the slot back while the body is received: a slow client must not occupy it.
    pub(crate) fn begin_receiving(&self) -> Result<(), ApiError> {
        let mut held = self.lock();
        held.is_receiving = true;
        if self.has_short_slot() {
            held.slot = None;
            let slot = self.0.slots.receiving.try_take(held.key, 1);
            held.slot = Some(slot.map_err(|exhausted| exhausted_error("receiving", "requests with a body", exhausted))?);
        }
        Ok(())
    }

    /// Takes a slot of the class again.
    pub(crate) fn end_receiving(&self) -> Result<(), ApiError> {
        let mut held = self.lock();
        held.is_receiving = false;
        if self.has_short_slot() {
            held.slot = None;
            let slot = self.0.slots.by_class(self.0.class).try_take(held.key, 1);
            held.slot = Some(slot.map_err(|exhausted| class_exhausted(self.0.class, exhausted))?);
        }
        Ok(())
    }

    /// Reserves memory for received bytes of the body. They are counted twice: as received and as parsed.
    pub(crate) fn reserve_memory(&self, bytes: u64) -> Result<(), Exhausted> {
        let mut held = self.lock();
        let units = bytes.saturating_mul(2);
        match &mut held.memory {
            Some(memory) => memory.grow(units),
            None => {
                held.memory = Some(self.0.slots.memory.try_take(held.key, units)?);
                Ok(())
            }
        }
    }

    /// Hands over the memory and the slot to work that may outlive the request.
    pub(crate) fn take_shares(&self) -> impl Send + use<> {
        let mut held = self.lock();
        (held.slot.take(), held.memory.take())
    }

    /// Ties what is held to the response: a stream keeps its slot to its last byte, and a response in memory counts by its size.
    pub(crate) fn hold(&self, response: Response, connection: Option<Arc<ClientConnection>>) -> Result<Response, ApiError> {
        let mut held = self.lock();
        held.memory = None;
        let share = match response.body().size_hint().exact() {
            Some(bytes) if self.has_short_slot() => {
                held.slot = None;
                if bytes <= SMALL_RESPONSE_BYTES {
                    return Ok(response);
                }
                Some(self.0.slots.memory.try_take(held.key, bytes).map_err(memory_exhausted)?)
            }
            _ => held.slot.take(),
        };
        let guard = UntilSent { share, connection };
        Ok(response.map(|body| HeldBody::wrap(body, guard)))
    }

    /// Whether the slot is only held while the handler runs.
    fn has_short_slot(&self) -> bool {
        matches!(self.0.class, RequestClass::Ordinary | RequestClass::Prediction)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admission {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Self::from_extensions(&parts.extensions)
    }
}

/// The class of the route has its rejections: see `limits::describe`.
impl Describe for Admission {
    fn describe(_: &mut Operation) {}
}

/// Keeps a share until the response is sent, which the connection knows.
struct UntilSent {
    share: Option<Share>,
    connection: Option<Arc<ClientConnection>>,
}

impl Drop for UntilSent {
    fn drop(&mut self) {
        if let (Some(share), Some(connection)) = (self.share.take(), &self.connection) {
            connection.hold(share);
        }
    }
}

fn class_exhausted(class: RequestClass, exhausted: Exhausted) -> ApiError {
    exhausted_error(class.label(), class.noun(), exhausted)
}

/// No memory is left for a body.
pub(crate) fn memory_exhausted(exhausted: Exhausted) -> ApiError {
    exhausted_error("memory", "large bodies", exhausted)
}

/// A quota is exhausted, by all clients (503) or by the API key (429).
pub(crate) fn exhausted_error(limit: &'static str, noun: &str, exhausted: Exhausted) -> ApiError {
    counter!(REJECTED, "limit" => limit).increment(1);
    match exhausted {
        Exhausted::Total => ApiError::overloaded(format!("too many concurrent {noun}: try again")),
        Exhausted::Key => {
            let detail = format!("this API key has too many concurrent {noun}: wait until one has ended");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use uuid::Uuid;

    use super::*;
    use crate::config::ApiConfig;

    fn slots() -> Arc<Slots> {
        Arc::new(Slots::new(&ApiConfig::for_tests().clients, 2, 1 << 20))
    }

    #[tokio::test]
    async fn a_slow_body_holds_no_ordinary_slot() {
        let slots = slots();
        let admission = Admission::begin(Arc::clone(&slots), RequestClass::Ordinary).await.unwrap();
        admission.assign_key(Uuid::from_u128(1)).unwrap();
        admission.begin_receiving().unwrap();
        assert_eq!((slots.by_class(RequestClass::Ordinary).used(), slots.receiving.used()), (0, 1));
        admission.reserve_memory(100).unwrap();
        admission.end_receiving().unwrap();
        assert_eq!((slots.by_class(RequestClass::Ordinary).used(), slots.receiving.used(), slots.memory.used()), (1, 0, 200));
        drop(admission);
        assert_eq!((slots.by_class(RequestClass::Ordinary).used(), slots.memory.used()), (0, 0));
    }

    #[tokio::test]
    async fn a_large_response_counts_by_its_size_and_a_stream_by_its_slot() {
        let slots = slots();
        let ordinary = Admission::begin(Arc::clone(&slots), RequestClass::Ordinary).await.unwrap();
        let response = ordinary.hold(Response::new(Body::from(vec![0; 100_000])), None).unwrap();
        assert_eq!((slots.by_class(RequestClass::Ordinary).used(), slots.memory.used()), (0, 100_000));
        drop(response);
        assert_eq!(slots.memory.used(), 0);
        let long = Admission::begin(Arc::clone(&slots), RequestClass::LongRead).await.unwrap();
        let response =
            long.hold(Response::new(Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>())), None).unwrap();
        drop(long);
        assert_eq!(slots.by_class(RequestClass::LongRead).used(), 1);
        drop(response);
        assert_eq!(slots.by_class(RequestClass::LongRead).used(), 0);
    }
}
