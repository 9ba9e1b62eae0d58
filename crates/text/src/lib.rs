//! Rules shared by everything that compares texts: the canonical form of a text, and what belongs to a word. Besides, the wording of numbers
//! in reports.
//!
//! Near-duplicates and features of models follow the rules, so a change here changes stored hashes and the features of models: it needs a
//! migration that empties the tables of sketches, and a new version of the features.

mod canonical;
mod count;
mod word_part;

pub use canonical::canonical;
pub use count::{choose, count, group_digits};
pub use word_part::WordPart;
