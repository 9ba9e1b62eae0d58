//! Describes operations in the OpenAPI document from the types of their handlers.
//!
//! What an extractor reads from a request, and how it can reject it, is stated once, beside the extractor. [`routes!`] adds it to every
//! operation whose handler takes the extractor. A handler with an extractor that is not described does not compile.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ContentBuilder, PathItem, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{PartialSchema, openapi};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::api::http::error::ApiError;

/// Media type of every error response.
pub(crate) const PROBLEM_TYPE: &str = "application/problem+json";

/// An extractor or a response, with what it adds to an operation.
pub(crate) trait Describe {
    fn describe(operation: &mut Operation);
}

impl<S> Describe for State<S> {
    fn describe(_: &mut Operation) {}
}

impl Describe for Response {
    fn describe(_: &mut Operation) {}
}

impl<T> Describe for (StatusCode, Json<T>) {
    fn describe(_: &mut Operation) {}
}

impl<T> Describe for Result<T, ApiError> {
    fn describe(operation: &mut Operation) {
        let reason = "`internal`, `database_privilege`, `object_store_rejected`: the server or its configuration is faulty, and a retry does not \
            help; see the log of the server";
        add_problem(operation, StatusCode::INTERNAL_SERVER_ERROR, reason);
    }
}

/// A handler whose extractors are all described. `Arguments` is the tuple of their types.
pub(crate) trait DescribedHandler<Arguments> {
    fn describe(operation: &mut Operation);
}

macro_rules! described_handler {
    ($($argument:ident)*) => {
        impl<Handler, Outcome, $($argument),*> DescribedHandler<($($argument,)*)> for Handler
        where
            Handler: AsyncFn($($argument),*) -> Outcome,
            Outcome: Describe,
            $($argument: Describe,)*
        {
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                Outcome::describe(operation);
            }
        }
    };
}

described_handler!();
described_handler!(A);
described_handler!(A B);
described_handler!(A B C);
described_handler!(A B C D);
described_handler!(A B C D E);
described_handler!(A B C D E F);

/// The route of a handler, with its operation described.
pub(crate) fn described<Arguments, Handler: DescribedHandler<Arguments>, S>(
    _: Handler,
    mut route: UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    route.1.paths.values_mut().flat_map(operations_of).for_each(Handler::describe);
    route
}

/// Several handlers of one path as one route.
pub(crate) fn merged<S: Clone>(mut first: UtoipaMethodRouter<S>, second: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    first.0.extend(second.0);
    first.1.merge(second.1);
    (first.0, first.1, first.2.merge(second.2))
}

/// As `utoipa_axum::routes!`, and describes the operations from the types of the handlers.
macro_rules! routes {
    ($first:ident $(, $other:ident)* $(,)?) => {{
        let route = $crate::api::http::operation::described($first, utoipa_axum::routes!($first));
        $(let route = $crate::api::http::operation::merged(
            route,
            $crate::api::http::operation::described($other, utoipa_axum::routes!($other)),
        );)*
        route
    }};
}
pub(crate) use routes;

/// The operations of a path, by the names of their methods.
pub(crate) fn methods_of(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let methods = [("get", &mut item.get), ("put", &mut item.put), ("post", &mut item.post), ("delete", &mut item.delete)];
    methods.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The operations of a path.
pub(crate) fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    methods_of(item).map(|(_, operation)| operation)
}

/// Adds an error response. A status that is documented already keeps its description, and the reason is appended.
pub(crate) fn add_problem(operation: &mut Operation, status: StatusCode, reason: &str) {
    let documented = operation.responses.responses.entry(status.as_u16().to_string());
    let response = documented.or_insert_with(|| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().content(PROBLEM_TYPE, content).build().into()
    });
    let RefOr::T(response) = response else { return };
    let header = match status {
        StatusCode::UNAUTHORIZED => Some(("WWW-Authenticate", text_header("`Bearer`"))),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Some(("Retry-After", number_header("Seconds to wait before another attempt")))
        }
        _ => None,
    };
    if let Some((name, header)) = header {
        response.headers.insert(name.to_owned(), header.into());
    }
    if response.description.is_empty() {
        reason.clone_into(&mut response.description);
    } else if !response.description.contains(reason) {
        response.description = format!("{}; {reason}", response.description);
    }
}

/// Adds an optional request header.
pub(crate) fn add_header(operation: &mut Operation, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) {
    let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    add_parameter(operation, header.description(Some(description)).schema(Some(schema)).build());
}

/// Adds a parameter, unless the operation names it already.
pub(crate) fn add_parameter(operation: &mut Operation, parameter: openapi::path::Parameter) {
    let known = operation.parameters.get_or_insert_default();
    let is_same = |other: &RefOr<openapi::path::Parameter>| matches!(other, RefOr::T(other) if other.name == parameter.name && other.parameter_in == parameter.parameter_in);
    if !known.iter().any(is_same) {
        known.push(RefOr::T(parameter));
    }
}

/// A response header that holds text.
pub(crate) fn text_header(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(String::schema())).description(Some(description)).build()
}

/// A response header that holds a number.
fn number_header(description: &str) -> Header {
    HeaderBuilder::new().schema(Some(u64::schema())).description(Some(description)).build()
}
