//! Fits the heads of one field: for every class, the largest margin between its examples and all others.
//!
//! Minimises, over the weights `A [N, C]` of the examples, `Σ max(0, 1 - T∘S)² + l2·tr(AᵀS)` with scores `S = KA`, targets
//! `T` of ±1 and the Gram matrix `K`. The problem is convex and piecewise quadratic, so Newton's method on the active
//! entries (those with a margin below 1) finds its one minimum in a few steps, each a linear system solved by conjugate
//! gradients. All arithmetic is on Burn tensors; nothing in it is random.

use burn::tensor::Tensor;

use crate::{error::TrainingError, gram::Gram, gram::read, halt::Halt, record::Record};

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

/// What is to be minimised, and when that is good enough.
pub(crate) struct Problem<'a> {
    pub(crate) gram: &'a Gram,
    /// `T [N, C]`.
    pub(crate) targets: Tensor<2>,
    pub(crate) l2: f64,
    pub(crate) stop: Stop,
}

/// A fit under way. It advances by one pass at a time, and can be saved and restored between any two.
pub(crate) struct Fit<'a> {
    problem: Problem<'a>,
    point: Point,
    /// Share that the residual of the last linear system was allowed.
    precision: f64,
    gain: f64,
    epoch: usize,
    newton_steps: usize,
    /// The linear system that is being solved, between two Newton steps none.
    system: Option<System>,
}

/// Weights with what follows from them.
struct Point {
    weights: Tensor<2>,
    scores: Tensor<2>,
    loss: f64,
    objective: f64,
}

/// `(M K M + l2) A = M T`, solved by conjugate gradients, all classes side by side, where `M` keeps the active entries.
struct System {
    mask: Tensor<2>,
    /// Sum of the squares of the residual that is good enough.
    allowed: f64,
    weights: Tensor<2>,
    residual: Tensor<2>,
    direction: Tensor<2>,
    /// Squares of the residual, summed by class, `[1, C]`.
    squares: Tensor<2>,
}

impl<'a> Fit<'a> {
    /// The first pass. `start` is a solution nearby, say for another strength.
    pub(crate) fn begin(problem: Problem<'a>, start: Option<Tensor<2>>) -> Result<Self, TrainingError> {
        let weights = start.unwrap_or_else(|| problem.targets.zeros_like());
        let point = Point::new(problem.gram.product(&weights)?, weights, &problem)?;
        let precision = ROUGHEST.max(problem.finest());
        Ok(Self { problem, point, precision, gain: 1.0, epoch: 1, newton_steps: 0, system: None })
    }

    /// The fit that was [saved](Self::save), to the last bit. Needs no pass.
    pub(crate) fn restore(problem: Problem<'a>, saved: &Record) -> Result<Self, Halt> {
        let shape @ [_, classes] = problem.targets.dims();
        let point = Point {
            weights: saved.tensor("weights", shape)?,
            scores: saved.tensor("scores", shape)?,
            loss: saved.number("loss")?,
            objective: saved.number("objective")?,
        };
        let precision = saved.number("precision")?;
        let system = if saved.tensors.contains_key("system.weights") {
            let (mask, _, allowed) = problem.system(&point, precision)?;
            Some(System {
                mask,
                allowed,
                weights: saved.tensor("system.weights", shape)?,
                residual: saved.tensor("system.residual", shape)?,
                direction: saved.tensor("system.direction", shape)?,
                squares: saved.tensor("system.squares", [1, classes])?,
            })
        } else {
            None
        };
        let (epoch, newton_steps) = (saved.count("epoch")?, saved.count("newton_steps")?);
        Ok(Self { problem, point, precision, gain: saved.number("gain")?, epoch, newton_steps, system })
    }

    pub(crate) fn save(&self) -> Record {
        let saved = Record::default()
            .with_tensor("weights", &self.point.weights)
            .with_tensor("scores", &self.point.scores)
            .with_number("loss", self.point.loss)
            .with_number("objective", self.point.objective)
            .with_number("precision", self.precision)
            .with_number("gain", self.gain)
            .with_number("epoch", self.epoch as f64)
            .with_number("newton_steps", self.newton_steps as f64);
        match &self.system {
            None => saved,
            Some(system) => saved
                .with_tensor("system.weights", &system.weights)
                .with_tensor("system.residual", &system.residual)
                .with_tensor("system.direction", &system.direction)
                .with_tensor("system.squares", &system.squares),
        }
    }

    /// Whether the solution is found, or the passes are used up.
    pub(crate) fn is_done(&self) -> bool {
        // a roughly solved system may gain nothing far from the minimum: only a finely solved one tells that it is reached
        let is_reached = self.gain < self.problem.stop.tolerance && self.precision <= self.problem.finest();
        let is_over = self.epoch >= self.problem.stop.epochs || self.newton_steps == MAX_NEWTON_STEPS;
        self.system.is_none() && self.newton_steps > 0 && (is_reached || is_over)
    }

    pub(crate) fn pass(&self) -> Pass {
        Pass { epoch: self.epoch, loss: self.point.loss / self.problem.targets.dims()[0] as f64, gain: self.gain }
    }

    /// The weights `[N, C]`.
    pub(crate) fn into_solution(self) -> Tensor<2> {
        self.point.weights
    }

    /// One more pass.
    pub(crate) fn advance(mut self) -> Result<Self, TrainingError> {
        match self.system.take() {
            None => self.system = Some(self.open_system()?),
            Some(system) if self.epoch < self.problem.stop.epochs && total(system.squares.clone())? > system.allowed => {
                self.system = Some(system.improve(&self.problem)?);
            }
            Some(system) => {
                let before = self.point.objective;
                self.point = self.point.descend(self.problem.gram.product(&system.weights)?, system.weights, &self.problem)?;
                self.gain = (before - self.point.objective) / before;
                self.newton_steps += 1;
            }
        }
        self.epoch += 1;
        Ok(self)
    }

    fn open_system(&mut self) -> Result<System, TrainingError> {
        if self.newton_steps > 0 {
            self.precision = self.precision.min(PRECISION_OF_GAIN * self.gain.max(0.0).sqrt()).max(self.problem.finest());
        }
        let (mask, goal, allowed) = self.problem.system(&self.point, self.precision)?;
        let weights = self.point.weights.clone() * mask.clone();
        let residual = goal - self.problem.apply(&mask, &weights)?;
        let squares = (residual.clone() * residual.clone()).sum_dim(0);
        Ok(System { mask, allowed, weights, direction: residual.clone(), residual, squares })
    }
}

impl Problem<'_> {
    /// The share that the last linear system may keep.
    fn finest(&self) -> f64 {
        PRECISION_OF_GAIN * self.stop.tolerance.sqrt()
    }

    /// Mask, right side and allowed residual of the linear system at a point.
    fn system(&self, point: &Point, precision: f64) -> Result<(Tensor<2>, Tensor<2>, f64), TrainingError> {
        let mask = (self.targets.clone() * point.scores.clone()).lower_elem(1.0).float();
        let goal = self.targets.clone() * mask.clone();
        let allowed = precision * precision * total(goal.clone() * goal.clone())?;
        Ok((mask, goal, allowed))
    }

    /// The left side of the linear system.
    fn apply(&self, mask: &Tensor<2>, weights: &Tensor<2>) -> Result<Tensor<2>, TrainingError> {
        Ok(self.gram.product(weights)? * mask.clone() + weights.clone() * self.l2)
    }
}

impl Point {
    fn new(scores: Tensor<2>, weights: Tensor<2>, problem: &Problem<'_>) -> Result<Self, TrainingError> {
        let missed = (problem.targets.clone() * scores.clone()).neg().add_scalar(1.0).clamp_min(0.0);
        let loss = total(missed.clone() * missed)?;
        let objective = loss + problem.l2 * total(weights.clone() * scores.clone())?;
        Ok(Self { weights, scores, loss, objective })
    }

    /// The first point on the way to the solution of the linear system that lowers the objective; stays if none does.
    fn descend(self, scores: Tensor<2>, weights: Tensor<2>, problem: &Problem<'_>) -> Result<Self, TrainingError> {
        for step in STEPS {
            let between = |from: &Tensor<2>, to: &Tensor<2>| from.clone() * (1.0 - step) + to.clone() * step;
            let tried = Self::new(between(&self.scores, &scores), between(&self.weights, &weights), problem)?;
            if tried.objective < self.objective {
                return Ok(tried);
            }
        }
        Ok(self)
    }
}

impl System {
    /// One step of conjugate gradients.
    fn improve(self, problem: &Problem<'_>) -> Result<Self, TrainingError> {
        let Self { mask, allowed, weights, residual, direction, squares } = self;
        let image = problem.apply(&mask, &direction)?;
        // a class that is solved exactly has no direction left: the floor keeps it from dividing by zero
        let length = squares.clone() / (direction.clone() * image.clone()).sum_dim(0).clamp_min(f32::MIN_POSITIVE);
        let weights = weights + direction.clone() * length.clone();
        let residual = residual - image * length;
        let left = (residual.clone() * residual.clone()).sum_dim(0);
        let direction = residual.clone() + direction * (left.clone() / squares.clamp_min(f32::MIN_POSITIVE));
        Ok(Self { mask, allowed, weights, residual, direction, squares: left })
    }
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

    fn fit(gram: &Gram, targets: &Tensor<2>, l2: f64, start: Option<Tensor<2>>) -> Tensor<2> {
        let mut fit = Fit::begin(Problem { gram, targets: targets.clone(), l2, stop: STOP }, start).unwrap();
        while !fit.is_done() {
            fit = fit.advance().unwrap();
        }
        fit.into_solution()
    }

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
        let weights = fit(&examples.gram(&all), &target, l2, None);
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
        let weights = fit(&gram, &target, 1e-3, None);
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
        let cold = fit(&gram, &target, 0.1, None);
        let near = fit(&gram, &target, 0.3, None);
        let warm = fit(&gram, &target, 0.1, Some(near));
        let cold = read(gram.product(&cold).unwrap()).unwrap();
        let warm = read(gram.product(&warm).unwrap()).unwrap();
        assert!(cold.iter().zip(&warm).all(|(a, b)| (a - b).abs() < 1e-2), "{cold:?} {warm:?}");
    }

    #[test]
    fn a_fit_that_is_saved_and_restored_between_any_two_passes_finds_the_same_bits() {
        let (rows, targets) = problem();
        let all: Vec<usize> = (0..12).collect();
        let examples = Examples::new(&rows, Device::flex());
        let gram = examples.gram(&all);
        let targets = matrix(targets, [12, 3], &Device::flex());
        let problem = || Problem { gram: &gram, targets: targets.clone(), l2: 0.1, stop: STOP };
        let bits = |fit: Fit<'_>| (fit.epoch, read(fit.into_solution()).unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>());

        let mut fit = Fit::begin(problem(), None).unwrap();
        let mut saved = vec![fit.save()];
        while !fit.is_done() {
            fit = fit.advance().unwrap();
            saved.push(fit.save());
        }
        let undisturbed = bits(fit);
        for saved in saved {
            let mut fit = Fit::restore(problem(), &saved).unwrap();
            while !fit.is_done() {
                fit = fit.advance().unwrap();
            }
            assert_eq!(bits(fit), undisturbed);
        }
    }

    #[test]
    fn a_saved_fit_of_another_shape_is_refused() {
        let (rows, targets) = problem();
        let examples = Examples::new(&rows, Device::flex());
        let targets = matrix(targets, [12, 3], &Device::flex());
        let gram = examples.gram(&(0..12).collect::<Vec<_>>());
        let saved = Fit::begin(Problem { gram: &gram, targets: targets.clone(), l2: 0.1, stop: STOP }, None).unwrap().save();
        let fewer = examples.gram(&(0..11).collect::<Vec<_>>());
        let problem = Problem { gram: &fewer, targets: targets.slice([0..11, 0..3]), l2: 0.1, stop: STOP };
        assert!(matches!(Fit::restore(problem, &saved), Err(Halt::Unfit(_))));
    }
}
