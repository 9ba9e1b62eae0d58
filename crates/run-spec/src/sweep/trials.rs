//! The trials of a sweep, derived from its settings and its seed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::axis::Axis;
use super::random::Random;
use super::search::{MAX_TRIALS, Search};
use crate::kind::{ParamDescription, TrainingParams};

/// How often a random combination that an earlier trial has is drawn again.
const MAX_REDRAWS: usize = 10_000;

/// One combination of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Number of the trial, from 1.
    pub number: u32,
    /// The parameters that the sweep varies.
    pub chosen: Map<String, Value>,
    /// All parameters.
    pub params: TrainingParams,
}

/// The combinations in their order: of a grid, the last name varies fastest.
pub(super) fn combinations(
    search: Search,
    space: &BTreeMap<String, Axis>,
    trials: usize,
    seed: u64,
    describe: impl Fn(&str) -> ParamDescription,
) -> Result<Vec<Map<String, Value>>, String> {
    match search {
        Search::Grid => grid(space),
        Search::Random => draw(space, trials, seed, describe),
    }
}

fn grid(space: &BTreeMap<String, Axis>) -> Result<Vec<Map<String, Value>>, String> {
    let mut axes = Vec::with_capacity(space.len());
    for (name, axis) in space {
        match axis {
            Axis::Values(values) => axes.push((name, values)),
            Axis::Range(_) => return Err(format!("space.{name} is a range: a grid needs a list of values; or use search `random`")),
        }
    }
    let size = axes.iter().fold(1_usize, |size, (_, values)| size.saturating_mul(values.len()));
    if size > MAX_TRIALS {
        return Err(format!(
            "space has {size} combinations, more than {MAX_TRIALS}: list fewer values, or use search `random` with `trials`"
        ));
    }
    let mut combinations = vec![Map::new()];
    for (name, values) in axes {
        combinations = combinations
            .iter()
            .flat_map(|begun| {
                values.iter().map(|value| {
                    let mut extended = begun.clone();
                    extended.insert(name.clone(), value.clone());
                    extended
                })
            })
            .collect();
    }
    Ok(combinations)
}

fn draw(
    space: &BTreeMap<String, Axis>,
    trials: usize,
    seed: u64,
    describe: impl Fn(&str) -> ParamDescription,
) -> Result<Vec<Map<String, Value>>, String> {
    let mut random = Random::new(seed);
    let mut drawn: Vec<Map<String, Value>> = Vec::with_capacity(trials);
    while drawn.len() < trials {
        let fresh = (0..MAX_REDRAWS).find_map(|_| {
            let combination: Map<String, Value> =
                space.iter().map(|(name, axis)| (name.clone(), axis.draw(&mut random, &describe(name)))).collect();
            (!drawn.contains(&combination)).then_some(combination)
        });
        match fresh {
            Some(combination) => drawn.push(combination),
            None => {
                return Err(format!(
                    "trials is {trials}, but space has only about {} different combinations: use fewer trials, or search `grid`",
                    drawn.len()
                ));
            }
        }
    }
    Ok(drawn)
}
