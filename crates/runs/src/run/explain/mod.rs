//! Explanation of a run: why it waits, what it does, why it failed, and what to do next.

mod advice;
mod ended;
mod facts;
mod format;
mod render;
mod requests;
mod requirements;
mod running;
mod sections;
mod waiting;

#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;

pub use facts::{RunFacts, load_run_facts};
pub use render::render_explanation;
pub use requests::{EquivalentRequest, equivalent_requests};
pub use sections::Explanation;
