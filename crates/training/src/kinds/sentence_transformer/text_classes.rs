//! The classes of texts in every field, which decide whether a text can be a negative.

use std::collections::HashMap;

use crate::kinds::sentence_transformer::pair::Pair;

/// Class by field and text. Texts of the same class are positives of each other; classes of different fields have different numbers.
#[derive(Debug, Default)]
pub(super) struct TextClasses(HashMap<(u32, u32), u32>);

impl TextClasses {
    pub(super) fn insert(&mut self, field: u32, text: u32, class: u32) {
        self.0.insert((field, text), class);
    }

    pub(super) fn get(&self, field: u32, text: u32) -> Option<u32> {
        self.0.get(&(field, text)).copied()
    }

    /// Whether the second text of `column` may be a positive of the first text of `row`.
    ///
    /// It is one if it has the class of `row` in the field of `row`, whatever field `column` is about. A text of another field whose class
    /// in the field of `row` is unknown may be one.
    pub(super) fn may_be_positive(&self, row: &Pair, column: &Pair) -> bool {
        let Some(class) = row.class else { return false };
        match self.get(row.field, column.b) {
            Some(other) => other == class,
            None => row.field != column.field || column.class == Some(class),
        }
    }
}
