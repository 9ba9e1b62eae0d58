//! Fits the heads of one field: for every class, the largest margin between its examples and all others.
//!
//! Minimises for each class `Σ max(0, 1 - t s)² + l2 ‖w‖²` over its weights `w`, bias included, with scores `s = w·x` and targets
//! `t` of ±1. It does so by dual coordinate descent (Hsieh, Chang, Lin, Keerthi, Sundararajan: A Dual Coordinate Descent Method for
//! Large-scale Linear SVM, ICML 2008, algorithm 1 with the squared hinge): `w` is a sum of the examples with one weight each, and one
//! example after the other gets the weight that is best while all others stay.
//!
//! Classes are problems of their own. As many as fill a cache line are solved side by side as a block, and blocks on all threads: no sum
//! crosses blocks or lanes, so the result does not depend on the threads.

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::{
    error::TrainingError,
    folds::shuffle,
    gram::{Gram, matrix, read},
    halt::Halt,
    record::Record,
    sparse::{Lanes, PANEL},
};

/// When a fit ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// Most passes over the examples.
    pub(crate) epochs: usize,
    /// A pass that lowers the (dual) objective of a block by a smaller share is its last.
    pub(crate) tolerance: f64,
}

/// Where a fit stands after a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Passes so far.
    pub(crate) epoch: usize,
    /// Mean squared hinge loss of an example, summed over the classes, as it was met in the last pass.
    pub(crate) loss: f64,
    /// Share by which the last pass lowered the objective of the block that is furthest from its minimum.
    pub(crate) gain: f64,
}

/// What is to be minimised, and when that is good enough.
pub(crate) struct Problem<'a> {
    pub(crate) gram: &'a Gram,
    /// Class of each example.
    pub(crate) classes: Vec<usize>,
    pub(crate) class_count: usize,
    pub(crate) l2: f64,
    pub(crate) stop: Stop,
    pub(crate) device: &'a Device,
}

/// A fit under way. It advances by one pass at a time, and can be saved and restored between any two.
pub(crate) struct Fit<'a> {
    problem: Problem<'a>,
    /// Second derivative of the objective by the weight of each example, half the squared hinge included.
    curvatures: Vec<f32>,
    blocks: Vec<Block>,
    epoch: usize,
}

/// A few classes, side by side.
struct Block {
    /// Its first class.
    first: usize,
    /// 1 for a lane that has a class, 0 for one that only fills the block.
    used: Lanes,
    /// Weight of each example, positive for its own class and negative for others, `[N]`.
    weights: Vec<Lanes>,
    /// What the weights add up to: the head, or the scores of all examples (see [`Gram`]).
    sums: Vec<Lanes>,
    objective: f64,
    gain: f64,
    loss: f64,
}

impl<'a> Fit<'a> {
    /// The first pass. `start` is a solution nearby, say for another strength, `[N, C]`.
    pub(crate) fn begin(problem: Problem<'a>, start: Option<Tensor<2>>) -> Result<Self, TrainingError> {
        let start = start.map(read).transpose()?;
        let block = |first| Block::begin(&problem, first, start.as_deref());
        let blocks = (0..problem.class_count).into_par_iter().step_by(PANEL).map(block).collect();
        let curvatures = problem.curvatures();
        Ok(Self { problem, curvatures, blocks, epoch: 0 }.advance())
    }

    /// The fit that was [saved](Self::save), to the last bit. Needs no pass.
    pub(crate) fn restore(problem: Problem<'a>, saved: &Record) -> Result<Self, Halt> {
        let (examples, classes) = (problem.classes.len(), problem.class_count);
        let weights = read(saved.tensor("weights", [examples, classes])?)?;
        let length = problem.gram.sums();
        let sums = read(saved.tensor("sums", [classes.div_ceil(PANEL) * length, PANEL])?)?;
        let (sums, _) = sums.as_chunks::<PANEL>();
        let restored = |(number, sums): (usize, &[Lanes])| {
            let figure = |name: &str| saved.number(&format!("{name}.{number}"));
            let mut block = Block::new(&problem, number * PANEL, Some(&weights));
            block.sums = sums.to_vec();
            (block.objective, block.gain, block.loss) = (figure("objective")?, figure("gain")?, figure("loss")?);
            Ok(block)
        };
        let blocks = sums.chunks_exact(length).enumerate().map(restored).collect::<Result<_, Halt>>()?;
        let curvatures = problem.curvatures();
        Ok(Self { problem, curvatures, blocks, epoch: saved.count("epoch")? })
    }

    pub(crate) fn save(&self) -> Record {
        let sums: Vec<f32> = self.blocks.iter().flat_map(|block| block.sums.as_flattened()).copied().collect();
        let shape = [sums.len() / PANEL, PANEL];
        let record = Record::default()
            .with_tensor("weights", &self.solution())
            .with_tensor("sums", &matrix(sums, shape, self.problem.device))
            .with_number("epoch", self.epoch as f64);
        self.blocks.iter().enumerate().fold(record, |record, (number, block)| {
            record
                .with_number(&format!("objective.{number}"), block.objective)
                .with_number(&format!("gain.{number}"), block.gain)
                .with_number(&format!("loss.{number}"), block.loss)
        })
    }

    /// Whether the solution is found, or the passes are used up.
    pub(crate) fn is_done(&self) -> bool {
        self.epoch >= self.problem.stop.epochs || self.blocks.iter().all(|block| block.is_done(self.problem.stop))
    }

    pub(crate) fn pass(&self) -> Pass {
        Pass {
            epoch: self.epoch,
            loss: self.blocks.iter().map(|block| block.loss).sum::<f64>() / self.problem.classes.len() as f64,
            gain: self.blocks.iter().map(|block| block.gain).fold(0.0, f64::max),
        }
    }

    /// The weights `[N, C]`.
    pub(crate) fn solution(&self) -> Tensor<2> {
        let (examples, classes) = (self.problem.classes.len(), self.problem.class_count);
        let mut weights = vec![0.0; examples * classes];
        for block in &self.blocks {
            for (row, lanes) in weights.chunks_exact_mut(classes).zip(&block.weights) {
                let width = PANEL.min(classes - block.first);
                row[block.first..block.first + width].copy_from_slice(&lanes[..width]);
            }
        }
        matrix(weights, [examples, classes], self.problem.device)
    }

    /// One more pass.
    #[must_use]
    pub(crate) fn advance(mut self) -> Self {
        let Self { problem, curvatures, blocks, epoch } = &mut self;
        // another order each time, or the descent may go round in circles
        let mut order: Vec<usize> = (0..problem.classes.len()).collect();
        shuffle(&mut order, *epoch as u64);
        blocks.par_iter_mut().filter(|block| !block.is_done(problem.stop)).for_each(|block| block.pass(problem, curvatures, &order));
        *epoch += 1;
        self
    }
}

impl Problem<'_> {
    fn curvatures(&self) -> Vec<f32> {
        (0..self.classes.len()).map(|example| self.gram.square(example) + self.l2 as f32).collect()
    }
}

impl Block {
    /// The weights of its classes, and nothing that follows from them.
    fn new(problem: &Problem<'_>, first: usize, weights: Option<&[f32]>) -> Self {
        let width = PANEL.min(problem.class_count - first);
        let mut lanes = vec![[0.0; PANEL]; problem.classes.len()];
        for (lanes, row) in lanes.iter_mut().zip(weights.into_iter().flat_map(|weights| weights.chunks_exact(problem.class_count))) {
            lanes[..width].copy_from_slice(&row[first..first + width]);
        }
        let used = std::array::from_fn(|lane| if lane < width { 1.0 } else { 0.0 });
        Self { first, used, weights: lanes, sums: Vec::new(), objective: 0.0, gain: 1.0, loss: 0.0 }
    }

    fn begin(problem: &Problem<'_>, first: usize, start: Option<&[f32]>) -> Self {
        let mut block = Self::new(problem, first, start);
        block.sums = vec![[0.0; PANEL]; problem.gram.sums()];
        if start.is_some() {
            for (example, weights) in block.weights.iter().enumerate().filter(|(_, weights)| **weights != [0.0; PANEL]) {
                problem.gram.add(example, weights, &mut block.sums);
            }
            block.objective = block.objective(problem);
        }
        block
    }

    /// `½ αᵀ(K + l2)α - Σα` over the magnitudes `α` of the weights: 0 at the start, negative at the minimum.
    fn objective(&self, problem: &Problem<'_>) -> f64 {
        let mut objective = 0.0;
        for (example, weights) in self.weights.iter().enumerate() {
            let scores = problem.gram.scores(example, &self.sums);
            for (weight, score) in weights.iter().zip(scores) {
                let (weight, score) = (f64::from(*weight), f64::from(score));
                objective += weight * (score + problem.l2 * weight) / 2.0 - weight.abs();
            }
        }
        objective
    }

    fn is_done(&self, stop: Stop) -> bool {
        self.gain < stop.tolerance
    }

    fn pass(&mut self, problem: &Problem<'_>, curvatures: &[f32], order: &[usize]) {
        let l2 = problem.l2 as f32;
        let (mut lowered, mut loss) = (0.0, 0.0);
        for &example in order {
            let scores = problem.gram.scores(example, &self.sums);
            let curvature = curvatures[example];
            let own = problem.classes[example].wrapping_sub(self.first);
            let weights = &mut self.weights[example];
            let (mut change, mut gains, mut missed) = ([0.0; PANEL], [0.0; PANEL], [0.0; PANEL]);
            for lane in 0..PANEL {
                let target = if lane == own { 1.0 } else { -1.0 };
                let (weight, margin) = (target * weights[lane], target * scores[lane]);
                let slope = margin - 1.0 + l2 * weight;
                let step = ((weight - slope / curvature).max(0.0) - weight) * self.used[lane];
                change[lane] = target * step;
                gains[lane] = -step * (slope + 0.5 * curvature * step);
                let short = (1.0 - margin).max(0.0) * self.used[lane];
                missed[lane] = short * short;
            }
            loss += f64::from(missed.iter().sum::<f32>());
            if change != [0.0; PANEL] {
                lowered += f64::from(gains.iter().sum::<f32>());
                for (weight, change) in weights.iter_mut().zip(change) {
                    *weight += change;
                }
                problem.gram.add(example, &change, &mut self.sums);
            }
        }
        self.objective -= lowered;
        self.gain = lowered / self.objective.abs().max(f64::MIN_POSITIVE);
        self.loss = loss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::Examples;
    use inference::{SparseRow, SparseRows};

    const STOP: Stop = Stop { epochs: 2000, tolerance: 1e-7 };
    const ALL: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn problem<'a>(gram: &'a Gram, classes: &[usize], l2: f64, device: &'a Device) -> Problem<'a> {
        Problem { gram, classes: classes.to_vec(), class_count: 3, l2, stop: STOP, device }
    }

    fn fit(gram: &Gram, classes: &[usize], l2: f64, start: Option<Tensor<2>>) -> Tensor<2> {
        let device = Device::flex();
        let mut fit = Fit::begin(problem(gram, classes, l2, &device), start).unwrap();
        while !fit.is_done() {
            fit = fit.advance();
        }
        fit.solution()
    }

    /// Scores `[N, 3]` under a solution.
    fn scores(examples: &Examples<'_>, solution: &Tensor<2>) -> Vec<f32> {
        examples.scores(&ALL, &ALL, solution).unwrap()
    }

    /// Twelve examples of three classes over five features, no two alike.
    fn data() -> (SparseRows, Vec<usize>) {
        let mut rows = SparseRows::new(5);
        let mut classes = Vec::new();
        for example in 0..12_u32 {
            let class = example % 3;
            classes.push(class as usize);
            let noise = (example * 7 % 5) as f32 * 0.1;
            rows.push(&SparseRow { indices: vec![class, 3, 4], values: vec![0.8 - noise, noise, 0.3] });
        }
        (rows, classes)
    }

    #[test]
    fn the_solution_is_where_automatic_differentiation_finds_no_slope() {
        let (rows, classes) = data();
        let l2 = 0.05;
        let examples = Examples::new(&rows, Device::flex());
        let weights = fit(&examples.gram(&ALL).unwrap(), &classes, l2, None);
        let (weight, bias) = examples.head(&ALL, &weights).unwrap();

        // the same objective, written down plainly in features and left to autodiff
        let targets: Vec<f32> = classes.iter().flat_map(|class| (0..3).map(|other| if other == *class { 1.0 } else { -1.0 })).collect();
        let device = Device::flex().autodiff();
        let mut dense = vec![0.0; 12 * 5];
        for example in 0..12 {
            let (indices, values) = rows.row(example);
            for (index, value) in indices.iter().zip(values) {
                dense[example * 5 + *index as usize] = *value;
            }
        }
        let slope = |scale: f32| {
            let weight: Vec<f32> = weight.iter().map(|value| value * scale).collect();
            let weight = matrix(weight, [5, 3], &device).require_grad();
            let bias = matrix(bias.clone(), [1, 3], &device).require_grad();
            let scores = matrix(dense.clone(), [12, 5], &device).matmul(weight.clone()) + bias.clone();
            let missed = (matrix(targets.clone(), [12, 3], &device) * scores).neg().add_scalar(1.0).clamp_min(0.0);
            let penalty = (weight.clone() * weight.clone()).sum() + (bias.clone() * bias.clone()).sum();
            let gradients = ((missed.clone() * missed).sum() + penalty * l2).backward();
            let of_weight = read(weight.grad(&gradients).unwrap()).unwrap();
            let of_bias = read(bias.grad(&gradients).unwrap()).unwrap();
            of_weight.iter().chain(&of_bias).fold(0.0_f32, |most, value| most.max(value.abs()))
        };
        assert!(slope(1.0) < 2e-3, "slope {} at the solution", slope(1.0));
        assert!(slope(1.1) > 2e-2, "slope {} beside it", slope(1.1));
    }

    #[test]
    fn a_small_penalty_lets_the_head_learn_every_example() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let weights = fit(&examples.gram(&ALL).unwrap(), &classes, 1e-3, None);
        for (scores, class) in scores(&examples, &weights).chunks(3).zip(classes) {
            assert_eq!((0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])), Some(class));
        }
    }

    #[test]
    fn a_nearby_start_leads_to_the_same_solution() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let near = fit(&gram, &classes, 0.3, None);
        let [cold, warm] = [None, Some(near)].map(|start| scores(&examples, &fit(&gram, &classes, 0.1, start)));
        assert!(cold.iter().zip(&warm).all(|(a, b)| (a - b).abs() < 1e-2), "{cold:?} {warm:?}");
    }

    #[test]
    fn classes_beyond_a_block_are_fitted_as_those_within() {
        let (rows, mut classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let device = Device::flex();
        let fitted = |classes: &[usize]| {
            let mut fit = Fit::begin(Problem { class_count: 20, ..problem(&gram, classes, 0.1, &device) }, None).unwrap();
            while !fit.is_done() {
                fit = fit.advance();
            }
            read(fit.solution()).unwrap()
        };
        let within = fitted(&classes);
        classes.iter_mut().for_each(|class| *class += 16);
        let beyond = fitted(&classes);
        for (within, beyond) in within.chunks(20).zip(beyond.chunks(20)) {
            assert!((0..3).all(|class| (within[class] - beyond[class + 16]).abs() < 1e-4), "{within:?} {beyond:?}");
        }
    }

    #[test]
    fn a_fit_that_is_saved_and_restored_between_any_two_passes_finds_the_same_bits() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let device = Device::flex();
        let problem = || problem(&gram, &classes, 0.1, &device);
        let bits = |fit: Fit<'_>| (fit.epoch, read(fit.solution()).unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>());

        let mut fit = Fit::begin(problem(), None).unwrap();
        let mut saved = vec![fit.save()];
        while !fit.is_done() {
            fit = fit.advance();
            saved.push(fit.save());
        }
        let undisturbed = bits(fit);
        for saved in saved {
            let mut fit = Fit::restore(problem(), &saved).unwrap();
            while !fit.is_done() {
                fit = fit.advance();
            }
            assert_eq!(bits(fit), undisturbed);
        }
    }

    #[test]
    fn a_saved_fit_of_another_shape_is_refused() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let device = Device::flex();
        let [all, fewer] = [&ALL[..], &ALL[..11]].map(|examples_of| examples.gram(examples_of).unwrap());
        let saved = Fit::begin(problem(&all, &classes, 0.1, &device), None).unwrap().save();
        assert!(matches!(Fit::restore(problem(&fewer, &classes[..11], 0.1, &device), &saved), Err(Halt::Unfit(_))));
    }
}
