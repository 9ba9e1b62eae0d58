//! Histories as a property: what reviewers, exports and operators may do in any order, with any times, against the real database.
//! A plain model says what a snapshot of any position must hold; SQL has to agree.
//!
//! `PROPTEST_CASES` raises the number of cases, `PROPTEST_RNG_SEED` repeats those of a failure.

mod command;
mod concurrent;
mod model;
mod sequential;
mod world;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Of everything that happens.
pub(crate) const PROJECT: &str = "7";
/// Fields of every history.
pub(crate) const FIELDS: [&str; 2] = ["kind", "law"];
/// Documents of every history.
pub(crate) const DOCUMENTS: usize = 3;

/// A number from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

/// A runner, and the seed to be named when it fails.
fn runner(cases: u32) -> (TestRunner, u64) {
    let cases = setting("PROPTEST_CASES").map_or(cases, |cases| u32::try_from(cases).unwrap());
    let seed = setting("PROPTEST_RNG_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let bytes: [u8; 16] = (u128::from(seed) << 64 | u128::from(seed ^ 0x9e37_79b9_7f4a_7c15)).to_le_bytes();
    // a shrunken failure is worth a few minutes, not hours
    let config = Config { cases, max_shrink_iters: 500, ..Config::default() };
    (TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes)), seed)
}
