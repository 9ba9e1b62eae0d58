//! Fits the head of one field: an L2-regularized linear SVM with squared hinge loss, one-vs-rest.
//!
//! For each class, minimises `Σ max(0, 1 - t s)² + l2 ‖w‖²` over the weights `w`, bias included, with scores `s = w·x` and targets `t` of
//! ±1. The algorithm is dual coordinate descent (Hsieh, Chang, Lin, Keerthi, Sundararajan: A Dual Coordinate Descent Method for Large-scale
//! Linear SVM, ICML 2008, algorithm 1 with squared hinge loss): `w` is a weighted sum of the examples, and each step sets the weight of one
//! example to its optimum while all others are fixed.
//!
//! Classes are independent problems. A block of classes that fills a cache line is solved at once, and blocks run in parallel. No sum
//! crosses blocks or lanes, so the result does not depend on the number of threads.

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::{
    checkpoint::state_dict::StateDict,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::linear::{
        gram::Gram,
        sparse::{Lanes, PANEL},
    },
    random::Random,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoppingCriterion {
    /// Maximum number of epochs.
    pub(crate) max_epochs: usize,
    /// A block is converged once an epoch improves its (dual) objective by a smaller fraction than this.
    pub(crate) tolerance: f64,
}

/// Statistics of the solver after an epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochStats {
    /// Completed epochs.
    pub(crate) epoch: usize,
    /// Mean squared hinge loss of an example, summed over the classes, as measured during the last epoch.
    pub(crate) loss: f64,
    /// Relative improvement of the objective in the last epoch, of the block that is furthest from its optimum.
    pub(crate) improvement: f64,
}

/// A minimisation problem with its stopping criterion.
pub(crate) struct Problem<'a> {
    pub(crate) gram: &'a Gram,
    /// Class of each example.
    pub(crate) classes: Vec<usize>,
    pub(crate) class_count: usize,
    pub(crate) l2: f64,
    pub(crate) stop: StoppingCriterion,
    pub(crate) device: &'a Device,
}

/// A solve in progress. It advances epoch by epoch, and can be saved and restored between any two epochs.
pub(crate) struct Solver<'a> {
    problem: Problem<'a>,
    /// Second derivative of the objective with respect to the weight of each example, including half of the squared hinge loss.
    curvatures: Vec<f32>,
    blocks: Vec<Block>,
    epoch: usize,
}

/// A block of classes.
struct Block {
    /// First class of the block.
    first: usize,
    /// 1 for lanes that hold a class, 0 for padding.
    used: Lanes,
    /// Weight of each example, positive for its own class and negative for others, `[N]`.
    weights: Vec<Lanes>,
    /// The solution in the form of the Gram matrix: the head, or the scores of all examples (see [`Gram`]).
    sums: Vec<Lanes>,
    objective: f64,
    improvement: f64,
    loss: f64,
}

impl<'a> Solver<'a> {
    /// Starts a solve and runs its first epoch. `start` is an initial solution `[N, C]`, for example that for another L2 penalty.
    pub(crate) fn begin(problem: Problem<'a>, start: Option<Tensor<2>>) -> Result<Self, TrainingError> {
        let start = start.map(tensor_to_vec).transpose()?;
        let block = |first| Block::begin(&problem, first, start.as_deref());
        let blocks = (0..problem.class_count).into_par_iter().step_by(PANEL).map(block).collect();
        let curvatures = problem.curvatures();
        Ok(Self { problem, curvatures, blocks, epoch: 0 }.advance())
    }

    /// Restores a [saved](Self::save) solve exactly, without running an epoch.
    pub(crate) fn restore(problem: Problem<'a>, saved: &StateDict) -> Result<Self, Interrupt> {
        let (examples, classes) = (problem.classes.len(), problem.class_count);
        let weights = tensor_to_vec(saved.tensor("weights", [examples, classes])?)?;
        let length = problem.gram.sum_rows();
        let sums = tensor_to_vec(saved.tensor("sums", [classes.div_ceil(PANEL) * length, PANEL])?)?;
        let (sums, _) = sums.as_chunks::<PANEL>();
        let restored = |(index, sums): (usize, &[Lanes])| {
            let number = |name: &str| saved.number(&format!("{name}.{index}"));
            let mut block = Block::new(&problem, index * PANEL, Some(&weights));
            block.sums = sums.to_vec();
            (block.objective, block.improvement, block.loss) = (number("objective")?, number("gain")?, number("loss")?);
            Ok(block)
        };
        let blocks = sums.chunks_exact(length).enumerate().map(restored).collect::<Result<_, Interrupt>>()?;
        let curvatures = problem.curvatures();
        Ok(Self { problem, curvatures, blocks, epoch: saved.count("epoch")? })
    }

    pub(crate) fn save(&self) -> StateDict {
        let sums: Vec<f32> = self.blocks.iter().flat_map(|block| block.sums.as_flattened()).copied().collect();
        let shape = [sums.len() / PANEL, PANEL];
        let state_dict = StateDict::default()
            .with_tensor("weights", &self.solution())
            .with_tensor("sums", &tensor_from_vec(sums, shape, self.problem.device))
            .with_number("epoch", self.epoch as f64);
        self.blocks.iter().enumerate().fold(state_dict, |state_dict, (index, block)| {
            state_dict
                .with_number(&format!("objective.{index}"), block.objective)
                .with_number(&format!("gain.{index}"), block.improvement)
                .with_number(&format!("loss.{index}"), block.loss)
        })
    }

    /// Whether the solve converged or reached the maximum number of epochs.
    pub(crate) fn is_done(&self) -> bool {
        self.epoch >= self.problem.stop.max_epochs || self.blocks.iter().all(|block| block.is_done(self.problem.stop))
    }

    pub(crate) fn stats(&self) -> EpochStats {
        EpochStats {
            epoch: self.epoch,
            loss: self.blocks.iter().map(|block| block.loss).sum::<f64>() / self.problem.classes.len() as f64,
            improvement: self.blocks.iter().map(|block| block.improvement).fold(0.0, f64::max),
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
        tensor_from_vec(weights, [examples, classes], self.problem.device)
    }

    /// Runs one more epoch.
    #[must_use]
    pub(crate) fn advance(mut self) -> Self {
        let Self { problem, curvatures, blocks, epoch } = &mut self;
        // the order changes in each epoch, otherwise the descent may cycle
        let mut order: Vec<usize> = (0..problem.classes.len()).collect();
        Random::new(*epoch as u64).shuffle(&mut order);
        blocks.par_iter_mut().filter(|block| !block.is_done(problem.stop)).for_each(|block| block.run_epoch(problem, curvatures, &order));
        *epoch += 1;
        self
    }
}

impl Problem<'_> {
    fn curvatures(&self) -> Vec<f32> {
        (0..self.classes.len()).map(|example| self.gram.squared_norm(example) + self.l2 as f32).collect()
    }
}

impl Block {
    /// A block with the given weights and everything else zero.
    fn new(problem: &Problem<'_>, first: usize, weights: Option<&[f32]>) -> Self {
        let width = PANEL.min(problem.class_count - first);
        let mut lanes = vec![[0.0; PANEL]; problem.classes.len()];
        for (lanes, row) in lanes.iter_mut().zip(weights.into_iter().flat_map(|weights| weights.chunks_exact(problem.class_count))) {
            lanes[..width].copy_from_slice(&row[first..first + width]);
        }
        let used = std::array::from_fn(|lane| if lane < width { 1.0 } else { 0.0 });
        Self { first, used, weights: lanes, sums: Vec::new(), objective: 0.0, improvement: 1.0, loss: 0.0 }
    }

    fn begin(problem: &Problem<'_>, first: usize, start: Option<&[f32]>) -> Self {
        let mut block = Self::new(problem, first, start);
        block.sums = vec![[0.0; PANEL]; problem.gram.sum_rows()];
        if start.is_some() {
            for (example, weights) in block.weights.iter().enumerate().filter(|(_, weights)| **weights != [0.0; PANEL]) {
                problem.gram.add(example, weights, &mut block.sums);
            }
            block.objective = block.objective(problem);
        }
        block
    }

    /// The dual objective `½ αᵀ(K + l2)α - Σα` over the magnitudes `α` of the weights: 0 at the start, negative at the optimum.
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

    fn is_done(&self, stop: StoppingCriterion) -> bool {
        self.improvement < stop.tolerance
    }

    fn run_epoch(&mut self, problem: &Problem<'_>, curvatures: &[f32], order: &[usize]) {
        let l2 = problem.l2 as f32;
        let (mut decrease, mut loss) = (0.0, 0.0);
        for &example in order {
            let scores = problem.gram.scores(example, &self.sums);
            let curvature = curvatures[example];
            let own = problem.classes[example].wrapping_sub(self.first);
            let weights = &mut self.weights[example];
            let (mut change, mut decreases, mut losses) = ([0.0; PANEL], [0.0; PANEL], [0.0; PANEL]);
            for lane in 0..PANEL {
                let target = if lane == own { 1.0 } else { -1.0 };
                let (weight, margin) = (target * weights[lane], target * scores[lane]);
                let gradient = margin - 1.0 + l2 * weight;
                let step = ((weight - gradient / curvature).max(0.0) - weight) * self.used[lane];
                change[lane] = target * step;
                decreases[lane] = -step * (gradient + 0.5 * curvature * step);
                let hinge = (1.0 - margin).max(0.0) * self.used[lane];
                losses[lane] = hinge * hinge;
            }
            loss += f64::from(losses.iter().sum::<f32>());
            if change != [0.0; PANEL] {
                decrease += f64::from(decreases.iter().sum::<f32>());
                for (weight, change) in weights.iter_mut().zip(change) {
                    *weight += change;
                }
                problem.gram.add(example, &change, &mut self.sums);
            }
        }
        self.objective -= decrease;
        self.improvement = decrease / self.objective.abs().max(f64::MIN_POSITIVE);
        self.loss = loss;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::linear::gram::Examples;
    use aprendiz_inference::{SparseRow, SparseRows};

    const STOP: StoppingCriterion = StoppingCriterion { max_epochs: 2000, tolerance: 1e-7 };
    const ALL: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn problem<'a>(gram: &'a Gram, classes: &[usize], l2: f64, device: &'a Device) -> Problem<'a> {
        Problem { gram, classes: classes.to_vec(), class_count: 3, l2, stop: STOP, device }
    }

    fn fit(gram: &Gram, classes: &[usize], l2: f64, start: Option<Tensor<2>>) -> Tensor<2> {
        let device = Device::flex();
        let mut solver = Solver::begin(problem(gram, classes, l2, &device), start).unwrap();
        while !solver.is_done() {
            solver = solver.advance();
        }
        solver.solution()
    }

    /// Scores `[N, 3]` under a solution.
    fn scores(examples: &Examples<'_>, solution: &Tensor<2>) -> Vec<f32> {
        examples.scores(&ALL, &ALL, solution).unwrap()
    }

    /// Twelve distinct examples of three classes over five features.
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
    fn the_gradient_by_autodiff_vanishes_at_the_solution() {
        let (rows, classes) = data();
        let l2 = 0.05;
        let examples = Examples::new(&rows, Device::flex());
        let weights = fit(&examples.gram(&ALL).unwrap(), &classes, l2, None);
        let (weight, bias) = examples.head(&ALL, &weights).unwrap();

        // the same objective on dense features, differentiated by autodiff
        let targets: Vec<f32> = classes.iter().flat_map(|class| (0..3).map(|other| if other == *class { 1.0 } else { -1.0 })).collect();
        let device = Device::flex().autodiff();
        let mut dense = vec![0.0; 12 * 5];
        for example in 0..12 {
            let (indices, values) = rows.row(example);
            for (index, value) in indices.iter().zip(values) {
                dense[example * 5 + *index as usize] = *value;
            }
        }
        let max_gradient = |scale: f32| {
            let weight: Vec<f32> = weight.iter().map(|value| value * scale).collect();
            let weight = tensor_from_vec(weight, [5, 3], &device).require_grad();
            let bias = tensor_from_vec(bias.clone(), [1, 3], &device).require_grad();
            let scores = tensor_from_vec(dense.clone(), [12, 5], &device).matmul(weight.clone()) + bias.clone();
            let hinge = (tensor_from_vec(targets.clone(), [12, 3], &device) * scores).neg().add_scalar(1.0).clamp_min(0.0);
            let penalty = (weight.clone() * weight.clone()).sum() + (bias.clone() * bias.clone()).sum();
            let gradients = ((hinge.clone() * hinge).sum() + penalty * l2).backward();
            let weight_gradient = tensor_to_vec(weight.grad(&gradients).unwrap()).unwrap();
            let bias_gradient = tensor_to_vec(bias.grad(&gradients).unwrap()).unwrap();
            weight_gradient.iter().chain(&bias_gradient).fold(0.0_f32, |max, value| max.max(value.abs()))
        };
        assert!(max_gradient(1.0) < 2e-3, "gradient {} at the solution", max_gradient(1.0));
        assert!(max_gradient(1.1) > 2e-2, "gradient {} next to it", max_gradient(1.1));
    }

    #[test]
    fn a_small_penalty_lets_the_head_fit_every_example() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let weights = fit(&examples.gram(&ALL).unwrap(), &classes, 1e-3, None);
        for (scores, class) in scores(&examples, &weights).chunks(3).zip(classes) {
            assert_eq!((0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])), Some(class));
        }
    }

    #[test]
    fn a_warm_start_leads_to_the_same_solution() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let near = fit(&gram, &classes, 0.3, None);
        let [cold, warm] = [None, Some(near)].map(|start| scores(&examples, &fit(&gram, &classes, 0.1, start)));
        assert!(cold.iter().zip(&warm).all(|(a, b)| (a - b).abs() < 1e-2), "{cold:?} {warm:?}");
    }

    #[test]
    fn classes_beyond_the_first_block_are_fitted_correctly() {
        let (rows, mut classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let device = Device::flex();
        let fitted = |classes: &[usize]| {
            let mut solver = Solver::begin(Problem { class_count: 20, ..problem(&gram, classes, 0.1, &device) }, None).unwrap();
            while !solver.is_done() {
                solver = solver.advance();
            }
            tensor_to_vec(solver.solution()).unwrap()
        };
        let within = fitted(&classes);
        classes.iter_mut().for_each(|class| *class += 16);
        let beyond = fitted(&classes);
        for (within, beyond) in within.chunks(20).zip(beyond.chunks(20)) {
            assert!((0..3).all(|class| (within[class] - beyond[class + 16]).abs() < 1e-4), "{within:?} {beyond:?}");
        }
    }

    #[test]
    fn a_solve_that_is_restored_after_any_epoch_gives_the_same_bits() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&ALL).unwrap();
        let device = Device::flex();
        let problem = || problem(&gram, &classes, 0.1, &device);
        let bits = |solver: Solver<'_>| {
            (solver.epoch, tensor_to_vec(solver.solution()).unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };

        let mut solver = Solver::begin(problem(), None).unwrap();
        let mut saved = vec![solver.save()];
        while !solver.is_done() {
            solver = solver.advance();
            saved.push(solver.save());
        }
        let undisturbed = bits(solver);
        for saved in saved {
            let mut solver = Solver::restore(problem(), &saved).unwrap();
            while !solver.is_done() {
                solver = solver.advance();
            }
            assert_eq!(bits(solver), undisturbed);
        }
    }

    #[test]
    fn a_saved_solve_of_another_shape_is_rejected() {
        let (rows, classes) = data();
        let examples = Examples::new(&rows, Device::flex());
        let device = Device::flex();
        let [all, fewer] = [&ALL[..], &ALL[..11]].map(|subset| examples.gram(subset).unwrap());
        let saved = Solver::begin(problem(&all, &classes, 0.1, &device), None).unwrap().save();
        assert!(matches!(
            Solver::restore(problem(&fewer, &classes[..11], 0.1, &device), &saved),
            Err(Interrupt::IncompatibleCheckpoint(_))
        ));
    }
}
