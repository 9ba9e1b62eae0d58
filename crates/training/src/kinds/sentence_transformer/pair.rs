//! A pair of texts.

/// Two texts and their similarity label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    /// Indices of the texts.
    pub(super) a: u32,
    pub(super) b: u32,
    /// From 0 (negative) to 1 (positive).
    pub(super) label: f32,
    /// The class of both texts, if it is known: texts of the same class are not negatives of each other.
    pub(super) class: Option<u32>,
    /// Index of the field in the set.
    pub(super) field: u32,
    /// Line number in the file, from 1.
    pub(super) number: u32,
}

impl Pair {
    pub(super) fn is_positive(&self) -> bool {
        self.label >= 0.5
    }
}
