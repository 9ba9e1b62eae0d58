//! Simulation of procedures that choose a threshold: how often the accuracy of the answers is below the target, and how much is answered.
//!
//! `threshold_power [REPETITIONS]` prints a table in Markdown. The seeds are fixed, so its numbers are reproducible. `product` is the
//! procedure of this crate; the others are described in docs/decisions/0031-thresholds.md.

use aprendiz_evaluation::{ScoreCurve, ScoreStep, ThresholdPlan, clopper_pearson_lower};

const ALPHA: f64 = 0.05;
const SIZES: [usize; 6] = [50, 100, 200, 500, 1_000, 5_000];
const TARGETS: [f64; 4] = [0.8, 0.9, 0.95, 0.99];

/// Accuracy at a rank from 0 (surest) to 1, for a target.
type Shape = fn(f64, f64) -> f64;

/// The first two are just below the target (the second from 40 % coverage on), so that every threshold there is a violation.
const SHAPES: [(&str, Shape); 8] = [
    ("just below", |_, target| target - 0.0005),
    ("cliff", |rank, target| {
        let end = 0.4 / target;
        if rank < 0.4 {
            1.0
        } else if rank < end {
            0.0
        } else {
            target - 0.0005
        }
    }),
    ("contracts", |rank, _| if rank < 0.5 { 0.99 } else { 0.99 - 0.32 * (rank - 0.5) }),
    ("label noise", |rank, _| 0.99 - 0.10 * rank * rank),
    ("steep", |rank, _| 1.0 - 0.45 * rank * rank),
    ("good", |_, _| 0.985),
    ("poor", |rank, _| if rank < 0.15 { 0.995 } else { 0.9 - 0.6 * (rank - 0.15) }),
    ("wrong surest", |rank, _| {
        if rank < 0.1 {
            0.93
        } else if rank < 0.8 {
            0.985
        } else {
            0.7
        }
    }),
];

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Tolerated errors by number of answers, at a level; -1 = the test cannot pass.
struct Tolerated(Vec<i64>);

impl Tolerated {
    fn new(n: usize, target: f64, level: f64) -> Self {
        let passes = |errors: i64, answered: usize| {
            errors <= answered as i64
                && clopper_pearson_lower((answered as i64 - errors) as u64, answered as u64, 1.0 - level)
                    .is_some_and(|bound| bound >= target)
        };
        let mut errors = -1;
        let mut tolerated = vec![-1];
        for answered in 1..=n {
            while passes(errors + 1, answered) {
                errors += 1;
            }
            tolerated.push(errors);
        }
        Self(tolerated)
    }

    fn passes(&self, errors: &[u64], answered: usize) -> bool {
        errors[answered] as i64 <= self.0[answered]
    }

    /// The numbers of answers at which one more error is tolerated.
    fn grid(&self) -> Vec<usize> {
        (1..self.0.len()).filter(|answered| self.0[*answered] > self.0[answered - 1]).collect()
    }
}

/// A procedure: from the errors among the first answers to the number of answers at the chosen threshold.
type Procedure = (String, Choice);

/// The number of answers at the chosen threshold.
type Choice = Box<dyn Fn(&[u64]) -> usize>;

/// Tests a list of numbers of answers at one level until the first failure.
fn fixed_sequence(points: Vec<usize>, tolerated: Tolerated) -> Choice {
    Box::new(move |errors| points.iter().take_while(|answered| tolerated.passes(errors, **answered)).last().copied().unwrap_or(0))
}

fn procedures(n: usize, target: f64) -> Vec<Procedure> {
    let at = |level: f64| Tolerated::new(n, target, level);
    let with_end = |mut points: Vec<usize>| {
        if !points.is_empty() && points.last() != Some(&n) {
            points.push(n);
        }
        points
    };
    let grid = with_end(at(ALPHA).grid());
    let Some(first) = grid.first().copied() else { return Vec::new() };
    let mut all: Vec<Procedure> = Vec::new();
    all.push(("a every answer from the strictest".to_owned(), fixed_sequence((first..=n).collect(), at(ALPHA))));
    all.push(("a′ grid from the strictest".to_owned(), fixed_sequence(grid.clone(), at(ALPHA))));
    for errors in [1, 3] {
        let points = grid.get(errors..).unwrap_or_default().to_vec();
        all.push((format!("f grid from {errors} errors"), fixed_sequence(points, at(ALPHA))));
    }
    for starts in [3_usize, 5] {
        let level = ALPHA / starts as f64;
        let points = with_end(at(level).grid());
        let begin = |start: usize| {
            let least =
                points.first().map_or(f64::INFINITY, |first| *first as f64 * (n as f64 / *first as f64).powf(start as f64 / starts as f64));
            points.partition_point(|point| (*point as f64) < least - 0.5)
        };
        let begins: Vec<usize> = (0..starts).map(begin).collect();
        let (tolerated, separate_points, separate_begins) = (at(level), points.clone(), begins.clone());
        all.push((
            format!("b {starts} starts, level divided"),
            Box::new(move |errors| {
                let chain = |begin: &usize| {
                    let chain = separate_points[*begin..].iter().take_while(|answered| tolerated.passes(errors, **answered));
                    chain.last().copied().unwrap_or(0)
                };
                separate_begins.iter().map(chain).max().unwrap_or(0)
            }),
        ));
        let levels: Vec<Tolerated> = (1..=starts).map(|shares| at(level * shares as f64)).collect();
        all.push((
            format!("c {starts} starts, level passed on"),
            Box::new(move |errors| {
                let (mut shares, mut best) = (0, 0);
                for (index, answered) in points.iter().enumerate() {
                    shares += begins.iter().filter(|begin| **begin == index).count();
                    if shares > 0 && levels[shares - 1].passes(errors, *answered) {
                        best = *answered;
                    } else {
                        shares = 0;
                    }
                }
                best
            }),
        ));
    }
    let bonferroni = at(ALPHA / grid.len() as f64);
    let points = grid.clone();
    all.push((
        "d Bonferroni over the grid".to_owned(),
        Box::new(move |errors| points.iter().filter(|answered| bonferroni.passes(errors, **answered)).max().copied().unwrap_or(0)),
    ));
    let uniform = at(uniform_level(n, target));
    all.push((
        "e uniform bound (Berk–Jones)".to_owned(),
        Box::new(move |errors| (1..=n).filter(|answered| uniform.passes(errors, *answered)).max().unwrap_or(0)),
    ));
    // one-sided DKW: the errors exceed their expectation by at most sqrt(n ln(1/α) / 2) at all ranks together
    let slack = (n as f64 * (1.0 / ALPHA).ln() / 2.0).sqrt();
    all.push((
        "e DKW bound".to_owned(),
        Box::new(move |errors| {
            (1..=n).filter(|answered| errors[*answered] as f64 + slack <= (1.0 - target) * *answered as f64).max().unwrap_or(0)
        }),
    ));
    let plan = ThresholdPlan::new(n as u64, target);
    all.push((
        "product".to_owned(),
        Box::new(move |errors| {
            let step = |answered: usize| ScoreStep {
                confidence: -(answered as f64),
                answered: answered as u64,
                correct: answered as u64 - errors[answered],
            };
            plan.accepted_answers(&ScoreCurve { n: n as u64, steps: (1..=n).map(step).collect() }) as usize
        }),
    ));
    all
}

/// The level at which all numbers of answers can be tested together, by simulation of answers whose accuracy is the target.
fn uniform_level(n: usize, target: f64) -> f64 {
    let levels: Vec<f64> = (0..24).map(|step| ALPHA * 0.85_f64.powi(step)).collect();
    let tables: Vec<Tolerated> = levels.iter().map(|level| Tolerated::new(n, target, *level)).collect();
    let repetitions = 2_000;
    let mut random = Random(99);
    let mut violations = vec![0; levels.len()];
    for _ in 0..repetitions {
        let errors = draw(&mut random, &vec![target; n]);
        for (table, violations) in tables.iter().zip(&mut violations) {
            *violations += u32::from((1..=n).any(|answered| table.passes(&errors, answered)));
        }
    }
    let valid = violations.iter().position(|violations| f64::from(*violations) <= ALPHA * f64::from(repetitions));
    levels[valid.unwrap_or(levels.len() - 1)]
}

/// Errors among the first answers, from the accuracy of each.
fn draw(random: &mut Random, accuracies: &[f64]) -> Vec<u64> {
    let mut errors = vec![0];
    for accuracy in accuracies {
        errors.push(errors[errors.len() - 1] + u64::from(random.next() >= *accuracy));
    }
    errors
}

fn main() {
    let repetitions: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(2_000);
    println!("| target | n | procedure | greatest violation | median coverage: {} | 10 %–90 % of `contracts` |", names());
    println!("| --- | --- | --- | --- | --- | --- |");
    for target in TARGETS {
        for n in SIZES {
            let procedures = procedures(n, target);
            let repetitions = if n >= 5_000 { repetitions.div_ceil(4) } else { repetitions };
            // coverage by procedure, shape and repetition
            let mut coverage = vec![vec![Vec::with_capacity(repetitions); SHAPES.len()]; procedures.len()];
            let mut violations = vec![[0_usize; SHAPES.len()]; procedures.len()];
            for (shape_index, (_, shape)) in SHAPES.iter().enumerate() {
                let means = mean_accuracies(*shape, target);
                let mut random = Random(n as u64 * 1_000 + (target * 100.0) as u64);
                for _ in 0..repetitions {
                    let mut ranks: Vec<f64> = (0..n).map(|_| random.next()).collect();
                    ranks.sort_by(f64::total_cmp);
                    let errors = draw(&mut random, &ranks.iter().map(|rank| shape(*rank, target)).collect::<Vec<_>>());
                    for (index, (_, procedure)) in procedures.iter().enumerate() {
                        let answered = procedure(&errors);
                        coverage[index][shape_index].push(answered as f64 / n as f64);
                        let is_violation = answered > 0 && means[(ranks[answered - 1] * (means.len() - 1) as f64).ceil() as usize] < target;
                        violations[index][shape_index] += usize::from(is_violation);
                    }
                }
            }
            for (index, (name, _)) in procedures.iter().enumerate() {
                let worst = *violations[index].iter().max().unwrap_or(&0) as f64 / repetitions as f64;
                let error = (worst * (1.0 - worst) / repetitions as f64).sqrt();
                let sorted: Vec<Vec<f64>> = coverage[index]
                    .iter()
                    .map(|values| {
                        let mut values = values.clone();
                        values.sort_by(f64::total_cmp);
                        values
                    })
                    .collect();
                let quantile = |shape: usize, fraction: f64| sorted[shape][((repetitions - 1) as f64 * fraction) as usize];
                let medians: Vec<String> = (2..SHAPES.len()).map(|shape| format!("{:.2}", quantile(shape, 0.5))).collect();
                println!(
                    "| {target} | {n} | {name} | {:.1} ± {:.1} % | {} | {:.2}–{:.2} |",
                    100.0 * worst,
                    100.0 * error,
                    medians.join(" / "),
                    quantile(2, 0.1),
                    quantile(2, 0.9)
                );
            }
        }
    }
}

fn names() -> String {
    SHAPES[2..].iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" / ")
}

/// True accuracy of the answers by coverage, in steps of 1/20,000.
fn mean_accuracies(shape: Shape, target: f64) -> Vec<f64> {
    let parts = 20_000;
    let mut means = vec![1.0];
    let mut sum = 0.0;
    for part in 0..parts {
        sum += shape((f64::from(part) + 0.5) / f64::from(parts), target);
        means.push(sum / f64::from(part + 1));
    }
    means
}
