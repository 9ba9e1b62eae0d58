//! Why a run waits, what it does, why it failed, and what to do next: [`explain_facts`] reads, [`words()`] speaks.

mod advice;
mod ended;
mod facts;
mod phrase;
mod waiting;
mod words;
mod working;

#[cfg(test)]
mod tests;

pub use facts::{Facts, explain_facts};
pub use words::{Explanation, words};
