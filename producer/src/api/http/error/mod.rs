//! Errors of the API and their HTTP responses.
//!
//! Handlers return only [`ApiError`]. Its body is `application/problem+json` (RFC 9457) with a stable `code` for programs and a `detail`
//! for people that names the cause and the way out. Client errors are reported in full. Server errors are logged once, in `response`, and the
//! client learns only that one occurred. Library errors are converted in `conversions` only, so that an error always has the same status and
//! code.

mod api_error;
mod conversions;
mod problem;
mod rejection_log;
mod response;

pub(crate) use self::api_error::ApiError;
pub(crate) use self::problem::Problem;
