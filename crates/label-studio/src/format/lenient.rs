//! Values that may have another type than expected.

use serde::de::MapAccess;
use serde_json::{Map, Value};

use crate::format::task_extension::ReviewExtension;

/// The value has another type than expected.
#[derive(Debug)]
pub(crate) struct OtherType;

/// A list or an object that may be something else in the file.
pub(crate) enum AnyType<T> {
    Expected(T),
    Null,
    Other,
}

/// The methods of a visitor that read any type besides the expected one; `$unexpected` is `visit_map` or `visit_seq`.
macro_rules! other_types {
    (@container visit_map) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            Ok(crate::format::lenient::AnyType::Other)
        }
    };
    (@container visit_seq) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            while sequence.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            Ok(crate::format::lenient::AnyType::Other)
        }
    };
    ($unexpected:ident) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Null)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Other)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Other)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Other)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Other)
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(crate::format::lenient::AnyType::Other)
        }

        other_types!(@container $unexpected);
    };
}

pub(crate) use other_types;

/// A value of a known key that is read without failing for another type; null is `None`.
pub(crate) trait Lenient: Sized {
    /// Reads the value of the current key.
    fn next<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Result<Option<Self>, OtherType>, A::Error>;
}

/// Implements [`Lenient`] by reading any value first. Strings are moved, so this costs nothing.
macro_rules! lenient {
    ($name:ty, $($pattern:pat => $value:expr),+) => {
        impl Lenient for $name {
            fn next<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Result<Option<Self>, OtherType>, A::Error> {
                Ok(match map.next_value::<Value>()? {
                    Value::Null => Ok(None),
                    $($pattern => $value.map(Some).ok_or(OtherType),)+
                    _ => Err(OtherType),
                })
            }
        }
    };
}

lenient!(String, Value::String(text) => Some(text), Value::Number(number) => Some(number.to_string()));
// databases without booleans write 0 and 1
lenient!(bool, Value::Bool(flag) => Some(flag), Value::Number(number) => match number.as_u64() {
    Some(0) => Some(false),
    Some(1) => Some(true),
    _ => None,
});
lenient!(
    f64,
    Value::Number(number) => number.as_f64(),
    Value::String(text) => text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
);
lenient!(Map<String, Value>, Value::Object(object) => Some(object));
lenient!(ReviewExtension, object @ Value::Object(_) => serde_json::from_value(object).ok());

impl Lenient for Value {
    fn next<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Result<Option<Self>, OtherType>, A::Error> {
        let value = map.next_value::<Self>()?;
        Ok(Ok((!value.is_null()).then_some(value)))
    }
}
