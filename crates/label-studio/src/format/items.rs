//! The result of an annotation or prediction: a list of items, which may have empty places.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::format::lenient::{AnyType, Lenient, OtherType, other_types};
use crate::format::result_item::ResultItem;

/// The items of a result.
#[derive(Default)]
pub(crate) struct Items {
    pub(crate) items: Vec<ResultItem>,
    /// Number of entries that are null or no object.
    pub(crate) empty: usize,
}

impl<'de> Deserialize<'de> for AnyType<ResultItem> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = AnyType<ResultItem>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item of a result")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ResultItem::deserialize(MapAccessDeserializer::new(map)).map(AnyType::Expected)
            }

            other_types!(visit_seq);
        }

        deserializer.deserialize_any(ItemVisitor)
    }
}

impl<'de> Deserialize<'de> for AnyType<Items> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;

        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = AnyType<Items>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut items = Items::default();
                while let Some(item) = sequence.next_element()? {
                    match item {
                        AnyType::Expected(item) => items.items.push(item),
                        AnyType::Null | AnyType::Other => items.empty += 1,
                    }
                }
                Ok(AnyType::Expected(items))
            }

            other_types!(visit_map);
        }

        deserializer.deserialize_any(ItemsVisitor)
    }
}

impl Lenient for Items {
    fn next<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Result<Option<Self>, OtherType>, A::Error> {
        Ok(match map.next_value()? {
            AnyType::Expected(items) => Ok(Some(items)),
            AnyType::Null => Ok(None),
            AnyType::Other => Err(OtherType),
        })
    }
}
