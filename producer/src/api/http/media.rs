//! Bodies that are no JSON, as types for the OpenAPI document.

use std::borrow::Cow;

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! media {
    ($(#[doc = $doc:literal])+ $name:ident, $format:expr) => {
        $(#[doc = $doc])+
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc),+).trim();
                ObjectBuilder::new().schema_type(Type::String).format($format).description(Some(description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

media!(
    /// Bytes.
    Binary, Some(SchemaFormat::KnownFormat(KnownFormat::Binary))
);
media!(
    /// One JSON object per line.
    JsonLines, None
);
