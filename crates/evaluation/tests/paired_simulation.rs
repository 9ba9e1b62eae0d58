//! Simulates paired comparisons whose true difference is known: coverage of the interval, and errors of the gate.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use aprendiz_evaluation::{GateDecision, GateInput, GateRules, Label, PairedAnswer, PairedExample, Resampling, compare, decide};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// Share of examples by who is right.
#[derive(Clone, Copy)]
struct Population {
    both: f64,
    only_baseline: f64,
    only_candidate: f64,
}

impl Population {
    fn difference(self) -> f64 {
        self.only_candidate - self.only_baseline
    }

    fn sample(self, n: usize, random: &mut Xoshiro256PlusPlus) -> Vec<PairedExample> {
        let answer = |right: bool| PairedAnswer { predicted: Some(if right { "a" } else { "b" }.to_owned()), answered: true };
        let mut example = || {
            let drawn = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            let (baseline, candidate) = if drawn < self.both {
                (true, true)
            } else if drawn < self.both + self.only_baseline {
                (true, false)
            } else if drawn < self.both + self.only_baseline + self.only_candidate {
                (false, true)
            } else {
                (false, false)
            };
            PairedExample { gold: Some("a".to_owned()), baseline: answer(baseline), candidate: answer(candidate), group: None }
        };
        (0..n).map(|_| example()).collect()
    }
}

const SIMULATIONS: usize = 2000;
const RESAMPLING: Resampling = Resampling { resamples: 500, seed: 7 };

fn coverage(population: Population, n: usize) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut covered = 0;
    for simulation in 0..SIMULATIONS {
        let resampling = Resampling { seed: simulation as u64, ..RESAMPLING };
        let comparison = compare(&population.sample(n, &mut random), resampling);
        let interval = comparison.metric("accuracy").unwrap().interval.unwrap();
        covered += usize::from(interval.low <= population.difference() && population.difference() <= interval.high);
    }
    covered as f64 / SIMULATIONS as f64
}

#[test]
fn the_interval_contains_the_true_difference_in_93_to_97_percent() {
    let cases = [
        (Population { both: 0.8, only_baseline: 0.06, only_candidate: 0.04 }, 400),
        (Population { both: 0.5, only_baseline: 0.15, only_candidate: 0.15 }, 200),
        (Population { both: 0.7, only_baseline: 0.05, only_candidate: 0.15 }, 100),
    ];
    for (population, n) in cases {
        let share = coverage(population, n);
        println!("n {n}, difference {:+.2}: coverage {share:.4}", population.difference());
        assert!((0.93..=0.97).contains(&share), "n {n}: {share}");
    }
}

/// Share of samples in which the gate with the default rules lets the candidate through.
fn passed(population: Population, n: usize) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
    let labels: [Label; 2] = [Some("a".to_owned()), Some("b".to_owned())];
    let mut passed = 0;
    for simulation in 0..SIMULATIONS {
        let comparison = compare(&population.sample(n, &mut random), Resampling { seed: simulation as u64, ..RESAMPLING });
        let input =
            GateInput { field: "law", baseline_labels: Some(&labels), candidate_labels: Some(&labels), comparison: Some(&comparison) };
        passed += usize::from(decide(&[input], &GateRules::default()).decision == GateDecision::Passed);
    }
    passed as f64 / SIMULATIONS as f64
}

#[test]
fn the_gate_lets_few_candidates_through_that_are_four_points_worse() {
    let worse = passed(Population { both: 0.85, only_baseline: 0.08, only_candidate: 0.04 }, 400);
    let better = passed(Population { both: 0.85, only_baseline: 0.02, only_candidate: 0.06 }, 400);
    let equal = passed(Population { both: 0.90, only_baseline: 0.02, only_candidate: 0.02 }, 400);
    println!("passed at n 400: four points worse {worse:.4}, equal {equal:.4}, four points better {better:.4}");
    assert!(worse < 0.05, "four points worse: {worse}");
    assert!(better > 0.9, "four points better: {better}");
}
