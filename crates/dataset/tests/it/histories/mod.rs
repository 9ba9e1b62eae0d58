//! Property tests of histories: reviewers, exports and operators act in any order and with any times on a real database, and a simple model
//! predicts the content of a snapshot at every position.
//!
//! `PROPTEST_CASES` sets the number of cases; `PROPTEST_RNG_SEED` repeats a failed run.

mod command;
mod concurrent;
mod model;
mod sequential;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Project of every history.
pub(crate) const PROJECT: &str = "7";
/// Fields of every history.
pub(crate) const FIELDS: [&str; 2] = ["kind", "law"];
/// Documents of every history.
pub(crate) const DOCUMENTS: usize = 3;

/// Reads a number from the environment.
fn env_number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

/// Creates a test runner. Returns it with its seed, for failure messages.
fn runner(cases: u32) -> (TestRunner, u64) {
    let cases = env_number("PROPTEST_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap());
    let seed = env_number("PROPTEST_RNG_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let bytes: [u8; 16] = (u128::from(seed) << 64 | u128::from(seed ^ 0x9e37_79b9_7f4a_7c15)).to_le_bytes();
    // bound the time spent on shrinking to a few minutes
    let config = Config { cases, max_shrink_iters: 500, ..Config::default() };
    (TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes)), seed)
}
