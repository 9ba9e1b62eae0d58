//! Property tests of the life of a run: random legal and illegal interleavings of commands against the real database. Each outcome is
//! compared with a pure model, and the invariants are checked after each command.
//!
//! `PROPTEST_CASES` raises the number of cases, `PROPTEST_RNG_SEED` repeats a failure.

mod command;
mod concurrent;
pub(crate) mod invariants;
mod model;
mod sequential;
mod system;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Reads a number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// A test runner, and its seed for the failure message.
fn runner(cases: u32) -> (TestRunner, u64) {
    let cases = setting("PROPTEST_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap());
    let seed = setting("PROPTEST_RNG_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let bytes: [u8; 16] = (u128::from(seed) << 64 | u128::from(seed ^ 0x9e37_79b9_7f4a_7c15)).to_le_bytes();
    // limits shrinking to a few minutes
    let config = Config { cases, max_shrink_iters: 1_000, ..Config::default() };
    (TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes)), seed)
}
