//! Objects whose values may have another type than expected.
//!
//! Each object keeps the names of its unknown keys for the import report.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess};

/// Maximum number of unknown keys kept per object; a malicious file may have millions.
pub(crate) const MAX_UNKNOWN_KEYS: usize = 20;
/// Maximum number of characters kept of an unknown key.
pub(crate) const MAX_KEY_CHARS: usize = 200;

/// A key, borrowed from the input unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// Defines an object whose keys are all optional. A value of an unexpected type, or of a key that occurs twice, is left out and its key
/// is kept in `malformed`, so that it costs only itself. `unused` keys are written by Label Studio, ignored here and not reported as unknown.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident ($expecting:literal) { $($(#[$key_doc:meta])* $key:literal => $field:ident: $value:ty,)+ } unused { $($unused:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $($(#[$key_doc])* pub(crate) $field: Option<$value>,)+
            /// Names of unknown keys.
            pub(crate) unknown: Vec<String>,
            /// Known keys whose value has another type, or that occur twice.
            pub(crate) malformed: Vec<&'static str>,
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;

                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut object = $name::default();
                        while let Some(crate::format::object::Key(key)) = map.next_key()? {
                            match &*key {
                                $($key => {
                                    // of a repeated key, neither value is certain
                                    if object.$field.take().is_some() || object.malformed.contains(&$key) {
                                        crate::format::object::skip(&mut map)?;
                                        object.malformed.push($key);
                                        continue;
                                    }
                                    match <$value as crate::format::lenient::Lenient>::next(&mut map)? {
                                        Ok(value) => object.$field = value,
                                        Err(crate::format::lenient::OtherType) => object.malformed.push($key),
                                    }
                                })+
                                $($unused => crate::format::object::skip(&mut map)?,)+
                                unknown => {
                                    if object.unknown.len() < crate::format::object::MAX_UNKNOWN_KEYS {
                                        object.unknown.push(unknown.chars().take(crate::format::object::MAX_KEY_CHARS).collect());
                                    }
                                    crate::format::object::skip(&mut map)?;
                                }
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

pub(crate) use object;
