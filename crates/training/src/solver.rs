//! Fits the heads of one field: for every class, the largest margin between its examples and all others.
//!
//! Minimises, over the weights `A [N, C]` of the examples, `Σ max(0, 1 - T∘S)² + l2·tr(AᵀS)` with scores `S = KA`, targets
//! `T` of ±1 and the Gram matrix `K`. The problem is convex and piecewise quadratic, so Newton's method on the active
//! entries (those with a margin below 1) finds its one minimum in a few steps, each a linear system solved by conjugate
//! gradients. All arithmetic is on Burn tensors; nothing in it is random.

use burn::tensor::Tensor;

use crate::{error::TrainingError, gram::Gram, gram::read};

/// Newton steps after which a fit ends in any case.
const MAX_NEWTON_STEPS: usize = 25;

/// Step lengths that are tried along a Newton direction.
const STEPS: [f64; 5] = [1.0, 0.5, 0.25, 0.125, 0.0625];

/// Share of the residual that the first linear systems may keep: far from the minimum only the direction matters.
const ROUGHEST: f64 = 0.1;

/// Later systems may keep the root of what the last step gained times this.
const PRECISION_OF_GAIN: f64 = 0.3;

/// When a fit ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    /// Most passes over the examples (products with the Gram matrix).
    pub(crate) epochs: usize,
    /// A Newton step that lowers the objective by a smaller share is the last.
    pub(crate) tolerance: f64,
}

/// Where a fit stands after a pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// Passes so far.
    pub(crate) epoch: usize,
    /// Mean squared hinge loss of an example, summed over the classes, at the last Newton step.
    pub(crate) loss: f64,
    /// Share by which the last Newton step lowered the objective, 1 before the first.
    pub(crate) gain: f64,
}

struct State {
    weights: Tensor<2>,
    scores: Tensor<2>,
    loss: f64,
    objective: f64,
}

/// Finds the weights `[N, C]`. `start` is a solution nearby, say for another strength.
pub(crate) fn fit(
    gram: &Gram,
    targets: &Tensor<2>,
    l2: f64,
    start: Option<Tensor<2>>,
    stop: Stop,
    on_pass: &mut dyn FnMut(Pass),
) -> Result<Tensor<2>, TrainingError> {
    let weights = start.unwrap_or_else(|| targets.zeros_like());
    let mut state = State::new(gram.product(&weights)?, weights, targets, l2)?;
    let mut pass = Pass { epoch: 1, loss: state.loss / targets.dims()[0] as f64, gain: 1.0 };
    on_pass(pass);

    let finest = PRECISION_OF_GAIN * stop.tolerance.sqrt();
    let mut precision = ROUGHEST.max(finest);
    for _ in 0..MAX_NEWTON_STEPS {
        let active = (targets.clone() * state.scores.clone()).lower_elem(1.0).float();
        let solution = solve(gram, targets, &active, l2, &state.weights, precision, stop, &mut pass, on_pass)?;
        let scores = gram.product(&solution)?;
        pass.epoch += 1;

        let before = state.objective;
        state = state.descend(scores, solution, targets, l2)?;
        pass.gain = (before - state.objective) / before;
        pass.loss = state.loss / targets.dims()[0] as f64;
        on_pass(pass);
        // a roughly solved system may gain nothing far from the minimum: only a finely solved one tells that it is reached
        if pass.epoch >= stop.epochs || (pass.gain < stop.tolerance && precision <= finest) {
            break;
        }
        precision = precision.min(PRECISION_OF_GAIN * pass.gain.max(0.0).sqrt()).max(finest);
    }
    Ok(state.weights)
}

impl State {
    fn new(scores: Tensor<2>, weights: Tensor<2>, targets: &Tensor<2>, l2: f64) -> Result<Self, TrainingError> {
        let missed = (targets.clone() * scores.clone()).neg().add_scalar(1.0).clamp_min(0.0);
        let loss = total(missed.clone() * missed)?;
        let objective = loss + l2 * total(weights.clone() * scores.clone())?;
        Ok(Self { weights, scores, loss, objective })
    }

    /// The first point on the way to the solution of the linear system that lowers the objective; stays if none does.
    fn descend(self, scores: Tensor<2>, weights: Tensor<2>, targets: &Tensor<2>, l2: f64) -> Result<Self, TrainingError> {
        for step in STEPS {
            let between = |from: &Tensor<2>, to: &Tensor<2>| from.clone() * (1.0 - step) + to.clone() * step;
            let tried = Self::new(between(&self.scores, &scores), between(&self.weights, &weights), targets, l2)?;
            if tried.objective < self.objective {
                return Ok(tried);
            }
        }
        Ok(self)
    }
}

/// Solves `(M K M + l2) A = M T` by conjugate gradients, all classes side by side, where `M` keeps the active
/// entries.
#[expect(clippy::too_many_arguments, reason = "one system with its mask, its start, its end and its observer")]
fn solve(
    gram: &Gram,
    targets: &Tensor<2>,
    mask: &Tensor<2>,
    l2: f64,
    start: &Tensor<2>,
    precision: f64,
    stop: Stop,
    pass: &mut Pass,
    on_pass: &mut dyn FnMut(Pass),
) -> Result<Tensor<2>, TrainingError> {
    let apply =
        |weights: &Tensor<2>| -> Result<Tensor<2>, TrainingError> { Ok(gram.product(weights)? * mask.clone() + weights.clone() * l2) };
    let goal = targets.clone() * mask.clone();
    let allowed = precision * precision * total(goal.clone() * goal.clone())?;
    let mut weights = start.clone() * mask.clone();
    let mut residual = goal - apply(&weights)?;
    pass.epoch += 1;
    let mut direction = residual.clone();
    let mut squares = (residual.clone() * residual.clone()).sum_dim(0);
    while pass.epoch < stop.epochs && total(squares.clone())? > allowed {
        let image = apply(&direction)?;
        // a class that is solved exactly has no direction left: the floor keeps it from dividing by zero
        let length = squares.clone() / (direction.clone() * image.clone()).sum_dim(0).clamp_min(f32::MIN_POSITIVE);
        weights = weights + direction.clone() * length.clone();
        residual = residual - image * length;
        let left = (residual.clone() * residual.clone()).sum_dim(0);
        direction = residual.clone() + direction * (left.clone() / squares.clamp_min(f32::MIN_POSITIVE));
        squares = left;
        pass.epoch += 1;
        on_pass(*pass);
    }
    Ok(weights)
}

/// Sum of all elements, in 64 bits over the columns.
fn total(tensor: Tensor<2>) -> Result<f64, TrainingError> {
    Ok(read(tensor.sum_dim(0))?.into_iter().map(f64::from).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::{Examples, matrix};
    use burn::tensor::Device;
    use inference::{SparseRow, SparseRows};

    const STOP: Stop = Stop { epochs: 2000, tolerance: 1e-7 };

    /// Twelve examples of three classes over five features, no two alike.
    fn problem() -> (SparseRows, Vec<f32>) {
        let mut rows = SparseRows::new(5);
        let mut targets = Vec::new();
        for example in 0..12_u32 {
            let class = example % 3;
            let noise = (example * 7 % 5) as f32 * 0.1;
            rows.push(&SparseRow { indices: vec![class, 3, 4], values: vec![0.8 - noise, noise, 0.3] });
            targets.extend((0..3).map(|other| if other == class { 1.0 } else { -1.0 }));
        }
        (rows, targets)
    }

    #[test]
    fn the_solution_is_where_automatic_differentiation_finds_no_slope() {
        let (rows, targets) = problem();
        let all: Vec<usize> = (0..12).collect();
        let l2 = 0.05;
        let examples = Examples::new(&rows, Device::flex());
        let target = matrix(targets.clone(), [12, 3], &Device::flex());
        let weights = fit(&examples.gram(&all), &target, l2, None, STOP, &mut |_| {}).unwrap();
        let (weight, bias) = examples.head(&all, &weights).unwrap();

        // the same objective, written down plainly in features and left to autodiff
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
        let (rows, targets) = problem();
        let all: Vec<usize> = (0..12).collect();
        let examples = Examples::new(&rows, Device::flex());
        let target = matrix(targets.clone(), [12, 3], &Device::flex());
        let gram = examples.gram(&all);
        let weights = fit(&gram, &target, 1e-3, None, STOP, &mut |_| {}).unwrap();
        let scores = read(gram.product(&weights).unwrap()).unwrap();
        for (scores, targets) in scores.chunks(3).zip(targets.chunks(3)) {
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            assert_eq!(targets[best], 1.0);
        }
    }

    #[test]
    fn a_nearby_start_leads_to_the_same_solution() {
        let (rows, targets) = problem();
        let all: Vec<usize> = (0..12).collect();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&all);
        let target = matrix(targets, [12, 3], &Device::flex());
        let cold = fit(&gram, &target, 0.1, None, STOP, &mut |_| {}).unwrap();
        let near = fit(&gram, &target, 0.3, None, STOP, &mut |_| {}).unwrap();
        let warm = fit(&gram, &target, 0.1, Some(near), STOP, &mut |_| {}).unwrap();
        let cold = read(gram.product(&cold).unwrap()).unwrap();
        let warm = read(gram.product(&warm).unwrap()).unwrap();
        assert!(cold.iter().zip(&warm).all(|(a, b)| (a - b).abs() < 1e-2), "{cold:?} {warm:?}");
    }
}
