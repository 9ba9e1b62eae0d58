//! Fits one field: selects the L2 penalty by cross-validation, computes out-of-fold scores, then fits the final head on all examples.

use std::{cell::OnceCell, time::Instant};

use aprendiz_inference::FieldWeights;
use aprendiz_run_spec::LinearParams;
use burn::tensor::Tensor;

use crate::{
    checkpoint::{state_dict::StateDict, training_state::TrainingState},
    dataset::Example,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::linear::{
        field_task::FieldTask,
        folds,
        gram::{Examples, Gram},
        head::LinearHead,
        out_of_fold::report_row,
        progress::{SolveProgress, Span},
        solved_field::SolvedField,
        solver::{Problem, Solver, StoppingCriterion},
        temperature,
    },
    protocol::{
        progress::{LogLevel, Stage},
        report::ReportRow,
    },
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Number of held-out examples that suffices to select the L2 penalty. Folds are added until there are that many.
const MIN_SELECTION_EXAMPLES: usize = 1000;

/// L2 penalty if no examples can be held out to select it.
const DEFAULT_L2: f64 = 0.3;

/// Name of the tensor that is stored for a finished solve.
const SOLUTION: &str = "solution";

/// A fitted field.
pub(crate) struct FieldFit {
    pub(crate) l2: f64,
    /// The factor of the softmax.
    pub(crate) inverse_temperature: f64,
    pub(crate) folds: usize,
    pub(crate) fold_repeats: usize,
    pub(crate) head: LinearHead,
    pub(crate) out_of_fold: Vec<ReportRow>,
    /// `[out_of_fold, C]`.
    pub(crate) probabilities: Vec<f32>,
}

/// The examples of a field and their assignment to folds.
struct CrossValidation<'a, 'b> {
    task: &'a FieldTask,
    examples: &'a Examples<'b>,
    folds: usize,
    /// The fold of each example in the partition that selects the penalty.
    assigned: Vec<usize>,
    /// The fold of each example in further partitions, over which scores are averaged.
    repeated: Vec<Vec<usize>>,
    stop: StoppingCriterion,
}

/// A fold that is being solved. Examples are indices within the task.
struct OpenFold {
    /// Number for progress reports.
    number: usize,
    held_out: Vec<usize>,
    fitted: Vec<usize>,
    /// Computed on first use.
    gram: OnceCell<Gram>,
    solution: Option<Tensor<2>>,
}

/// A scored fold.
struct ScoredFold {
    held_out: Vec<usize>,
    fitted: Vec<usize>,
    /// `[held_out, classes]`.
    scores: Vec<f32>,
    /// `[fitted, classes]`.
    solution: Tensor<2>,
}

/// Fits a field, or restores it from the training state.
pub(crate) fn fit_field(
    task: &FieldTask,
    documents: &[Example],
    examples: &Examples<'_>,
    params: &LinearParams,
    seed: u64,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<FieldFit, Interrupt> {
    let groups: Vec<&str> = task.examples.iter().map(|example| documents[*example].group.as_str()).collect();
    let stop = StoppingCriterion { max_epochs: params.epochs, tolerance: params.tolerance };
    let (folds, assigned) = folds::assign(&groups, &task.classes, params.folds, seed).unwrap_or_default();
    let repeated = folds::assign_again(&groups, &task.classes, params, seed);
    if folds == 0 {
        let reason = "all its examples are near-duplicates of each other, so none can be held out";
        training_state.reporter.log(LogLevel::Warn, format!("field `{}` has no out-of-fold scores: {reason}", task.name));
    }
    let cross_validation = CrossValidation { task, examples, folds, assigned, repeated, stop };
    let solved = match training_state.replay_field() {
        Some(state_dict) => SolvedField::restore(&state_dict, [task.examples.len(), task.labels.len()])?,
        None => {
            let solved = cross_validation.solve_field(params, span, training_state)?;
            training_state.finish_field(solved.save());
            solved
        }
    };
    Ok(cross_validation.finish(solved, documents)?)
}

/// Fits the head of a field on all of its examples under one penalty: no folds, no out-of-fold scores, and a factor of 1 in the softmax, so
/// that its confidences are not calibrated. The solve is reported as `stage` and recorded in the training state; the caller records what
/// follows from it.
pub(crate) fn fit_without_folds(
    task: &FieldTask,
    examples: &Examples<'_>,
    l2: f64,
    params: &LinearParams,
    (stage, span): (Stage, Span),
    training_state: &mut TrainingState<'_>,
) -> Result<FieldWeights, Interrupt> {
    let stop = StoppingCriterion { max_epochs: params.epochs, tolerance: params.tolerance };
    let all = CrossValidation { task, examples, folds: 0, assigned: Vec::new(), repeated: Vec::new(), stop };
    let solution = all.solve_all(l2, None, (stage, span), training_state)?;
    let (weight, bias) = examples.head(&task.examples, &solution)?;
    if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
        return Err(TrainingError::NonFiniteLoss { field: task.name.clone() }.into());
    }
    Ok(FieldWeights { weight, bias })
}

/// Fits the head of a field on all of its examples under a penalty and with a factor of the softmax that were chosen before. The result is
/// recorded in the training state as that of a field.
pub(crate) fn fit_chosen(
    task: &FieldTask,
    examples: &Examples<'_>,
    (l2, inverse_temperature): (f64, f64),
    params: &LinearParams,
    (stage, span): (Stage, Span),
    training_state: &mut TrainingState<'_>,
) -> Result<FieldWeights, Interrupt> {
    let stop = StoppingCriterion { max_epochs: params.epochs, tolerance: params.tolerance };
    let all = CrossValidation { task, examples, folds: 0, assigned: Vec::new(), repeated: Vec::new(), stop };
    let solved = match training_state.replay_field() {
        Some(state_dict) => SolvedField::restore(&state_dict, [task.examples.len(), task.labels.len()])?,
        None => {
            let solution = all.solve_all(l2, None, (stage, span), training_state)?;
            let solved = SolvedField { l2, folds: 0, scores: None, solution };
            training_state.finish_field(solved.save());
            solved
        }
    };
    let (mut weight, mut bias) = examples.head(&task.examples, &solved.solution)?;
    for value in weight.iter_mut().chain(&mut bias) {
        *value = (f64::from(*value) * inverse_temperature) as f32;
    }
    if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
        return Err(TrainingError::NonFiniteLoss { field: task.name.clone() }.into());
    }
    Ok(FieldWeights { weight, bias })
}

impl CrossValidation<'_, '_> {
    fn solve_field(&self, params: &LinearParams, span: Span, training_state: &mut TrainingState<'_>) -> Result<SolvedField, Interrupt> {
        if self.folds == 0 {
            let l2 = params.l2.unwrap_or(DEFAULT_L2);
            let solution = self.solve_all(l2, None, (Stage::Fit, span), training_state)?;
            return Ok(SolvedField { l2, folds: 0, scores: None, solution });
        }
        // the partitions and the final fit, which counts as one more fold
        let parts = self.folds * (1 + self.repeated.len()) + 1;
        let selection = span.until(self.folds as f64 / parts as f64);
        let (l2, scored) = self.select_l2(&params.l2_candidates(), selection, training_state)?;
        let mut scores = self.out_of_fold(&scored);
        for (repeat, assigned) in self.repeated.iter().enumerate() {
            let first = self.folds * (1 + repeat);
            let mut again = Vec::with_capacity(self.folds);
            for fold in 0..self.folds {
                let mut open = self.open(assigned, fold, first + fold);
                open.solution = Some(self.warm_start_from(&scored[0], &open.fitted)?);
                again.push(self.score(&mut open, l2, span.part(first + fold, parts), training_state)?);
            }
            for (sum, score) in scores.iter_mut().zip(self.out_of_fold(&again)) {
                *sum += score;
            }
        }
        scores.iter_mut().for_each(|score| *score /= (1 + self.repeated.len()) as f32);
        let scores = tensor_from_vec(scores, [self.task.examples.len(), self.task.labels.len()], self.examples.device());
        let solution = self.solve_all(l2, self.mean_solution(&scored)?, (Stage::Fit, span.part(parts - 1, parts)), training_state)?;
        Ok(SolvedField { l2, folds: self.folds, scores: Some(scores), solution })
    }

    /// Out-of-fold scores `[N, C]` of all examples.
    fn out_of_fold(&self, scored: &[ScoredFold]) -> Vec<f32> {
        let classes = self.task.labels.len();
        let mut by_example = vec![&[][..]; self.task.examples.len()];
        for fold in scored {
            for (example, scores) in fold.held_out.iter().zip(fold.scores.chunks_exact(classes)) {
                by_example[*example] = scores;
            }
        }
        by_example.concat()
    }

    /// Calibrates the head and computes its out-of-fold probabilities.
    fn finish(&self, solved: SolvedField, documents: &[Example]) -> Result<FieldFit, TrainingError> {
        let task = self.task;
        let SolvedField { l2, folds, scores, solution } = solved;
        let not_finite = || TrainingError::NonFiniteLoss { field: task.name.clone() };
        let mut all_probabilities = Vec::new();
        let (inverse_temperature, out_of_fold) = match scores {
            None => (1.0, Vec::new()),
            Some(scores) => {
                let scores = tensor_to_vec(scores)?;
                let (inverse_temperature, log_loss) = temperature::fit(&scores, &task.classes);
                if !log_loss.is_finite() {
                    return Err(not_finite());
                }
                let rows = scores.chunks_exact(task.labels.len()).enumerate().map(|(index, scores)| {
                    let no_known_feature = self.examples.is_empty_row(task.examples[index]);
                    let probabilities = if no_known_feature {
                        self.shares_without_fold_of(index)
                    } else {
                        temperature::probabilities(scores, inverse_temperature)
                    };
                    all_probabilities.extend(probabilities.iter().map(|probability| *probability as f32));
                    ReportRow { no_known_feature, ..report_row(task, documents, index, &probabilities) }
                });
                (inverse_temperature, rows.collect())
            }
        };
        let (mut weight, mut bias) = self.examples.head(&task.examples, &solution)?;
        for value in weight.iter_mut().chain(&mut bias) {
            *value = (f64::from(*value) * inverse_temperature) as f32;
        }
        if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
            return Err(not_finite());
        }
        let fold_repeats = if folds == 0 { 0 } else { 1 + self.repeated.len() };
        Ok(FieldFit {
            l2,
            inverse_temperature,
            folds,
            fold_repeats,
            head: LinearHead::new(weight, bias, self.examples.device()),
            out_of_fold,
            probabilities: all_probabilities,
        })
    }

    /// Shares of the classes in the folds that an example is not in: the prediction for a text without any known feature.
    fn shares_without_fold_of(&self, index: usize) -> Vec<f64> {
        let mut counts = vec![0_u64; self.task.labels.len()];
        for (class, fold) in self.task.classes.iter().zip(&self.assigned) {
            counts[*class] += u64::from(*fold != self.assigned[index]);
        }
        let total = counts.iter().sum::<u64>().max(1) as f64;
        counts.into_iter().map(|count| count as f64 / total).collect()
    }

    /// Selects the L2 penalty with the lowest log loss on held-out examples. Returns it with the scores of all folds under it.
    ///
    /// `candidates` are in descending order, so each solve can start from the previous solution. The search stops at the first candidate
    /// that is worse than the previous one: smaller penalties take the longest and overfit even more.
    fn select_l2(
        &self,
        candidates: &[f64],
        span: Span,
        training_state: &mut TrainingState<'_>,
    ) -> Result<(f64, Vec<ScoredFold>), Interrupt> {
        let selecting = if candidates.len() > 1 { self.selection_folds() } else { 0 };
        // folds used for selection are solved once per candidate
        let fits = selecting * candidates.len() + self.folds - selecting;
        // solves of earlier rounds were discarded; a round is the solves for one candidate
        let first_round = training_state.discarded().checked_div(selecting).unwrap_or(0);
        if first_round * selecting != training_state.discarded() || first_round >= candidates.len() {
            return Err(Interrupt::IncompatibleCheckpoint(format!("it has discarded {} solves", training_state.discarded())));
        }
        let mut done = training_state.discarded();
        let mut next = || {
            done += 1;
            span.part(done - 1, fits)
        };

        let mut best: Option<(f64, f64, Vec<ScoredFold>)> = None;
        let mut open: Vec<OpenFold> = (0..selecting).map(|fold| self.open(&self.assigned, fold, fold)).collect();
        for (round, l2) in candidates.iter().enumerate().skip(first_round).filter(|_| selecting > 0) {
            let mut scored = Vec::with_capacity(selecting);
            for fold in &mut open {
                scored.push(self.score(fold, *l2, next(), training_state)?);
            }
            let log_loss = self.log_loss(&scored);
            if best.as_ref().is_some_and(|(lowest, _, _)| log_loss >= *lowest) {
                break;
            }
            best = Some((log_loss, *l2, scored));
            training_state.discard(round * selecting);
        }
        drop(open);
        let (l2, mut scored) = best.map_or((candidates[0], Vec::new()), |(_, l2, scored)| (l2, scored));
        for fold in selecting..self.folds {
            let mut open = self.open(&self.assigned, fold, fold);
            if let Some(solved) = scored.first() {
                open.solution = Some(self.warm_start_from(solved, &open.fitted)?);
            }
            scored.push(self.score(&mut open, l2, next(), training_state)?);
        }
        Ok((l2, scored))
    }

    /// Number of folds that hold out enough examples for selection.
    fn selection_folds(&self) -> usize {
        let mut held_out = 0;
        for fold in 0..self.folds {
            held_out += self.assigned.iter().filter(|assigned| **assigned == fold).count();
            if held_out >= MIN_SELECTION_EXAMPLES {
                return fold + 1;
            }
        }
        self.folds
    }

    fn log_loss(&self, scored: &[ScoredFold]) -> f64 {
        let scores: Vec<f32> = scored.iter().flat_map(|fold| fold.scores.iter().copied()).collect();
        let held_out = scored.iter().flat_map(|fold| &fold.held_out);
        let classes: Vec<usize> = held_out.map(|example| self.task.classes[*example]).collect();
        temperature::fit(&scores, &classes).1
    }

    /// Prepares the solve of everything but one fold of a partition.
    fn open(&self, assigned: &[usize], fold: usize, number: usize) -> OpenFold {
        let (held_out, fitted): (Vec<usize>, Vec<usize>) = (0..self.task.examples.len()).partition(|example| assigned[*example] == fold);
        OpenFold { number, held_out, fitted, gram: OnceCell::new(), solution: None }
    }

    /// Scores the examples of a fold with a head that was fitted without them. Starts from the previous solution of the fold.
    fn score(&self, open: &mut OpenFold, l2: f64, span: Span, training_state: &mut TrainingState<'_>) -> Result<ScoredFold, Interrupt> {
        let progress = SolveProgress {
            stage: Stage::Fold,
            field: &self.task.name,
            fold: Some(open.number),
            span,
            examples: open.fitted.len(),
            epochs_before: 0,
            started: Instant::now(),
        };
        let solution = self.solve(&open.fitted, &open.gram, l2, open.solution.take(), progress, training_state)?;
        let scores = self.examples.scores(&self.documents(&open.held_out), &self.documents(&open.fitted), &solution)?;
        open.solution = Some(solution.clone());
        Ok(ScoredFold { held_out: open.held_out.clone(), fitted: open.fitted.clone(), scores, solution })
    }

    /// Initial solution from another fold: the weights of the examples that both folds fit on.
    fn warm_start_from(&self, solved: &ScoredFold, fitted: &[usize]) -> Result<Tensor<2>, TrainingError> {
        let classes = self.task.labels.len();
        let mut weights = vec![0.0_f32; self.task.examples.len() * classes];
        for (example, solved) in solved.fitted.iter().zip(tensor_to_vec(solved.solution.clone())?.chunks_exact(classes)) {
            weights[example * classes..][..classes].copy_from_slice(solved);
        }
        let weights: Vec<f32> = fitted.iter().flat_map(|example| &weights[example * classes..][..classes]).copied().collect();
        Ok(tensor_from_vec(weights, [fitted.len(), classes], self.examples.device()))
    }

    /// Initial solution on all examples: the mean weight of each example over the folds that were fitted on it.
    fn mean_solution(&self, scored: &[ScoredFold]) -> Result<Option<Tensor<2>>, TrainingError> {
        if scored.is_empty() {
            return Ok(None);
        }
        let classes = self.task.labels.len();
        let fraction = 1.0 / (scored.len() as f32 - 1.0);
        let mut mean = vec![0.0_f32; self.task.examples.len() * classes];
        for fold in scored {
            let solution = tensor_to_vec(fold.solution.clone())?;
            for (example, weights) in fold.fitted.iter().zip(solution.chunks_exact(classes)) {
                for (mean, weight) in mean[example * classes..].iter_mut().zip(weights) {
                    *mean += weight * fraction;
                }
            }
        }
        Ok(Some(tensor_from_vec(mean, [self.task.examples.len(), classes], self.examples.device())))
    }

    /// Solves on all examples.
    fn solve_all(
        &self,
        l2: f64,
        start: Option<Tensor<2>>,
        (stage, span): (Stage, Span),
        training_state: &mut TrainingState<'_>,
    ) -> Result<Tensor<2>, Interrupt> {
        let all: Vec<usize> = (0..self.task.examples.len()).collect();
        let progress = SolveProgress {
            stage,
            field: &self.task.name,
            fold: None,
            span,
            examples: all.len(),
            epochs_before: 0,
            started: Instant::now(),
        };
        self.solve(&all, &OnceCell::new(), l2, start, progress, training_state)
    }

    /// Solves on a subset of the examples of the task. Reuses what the training state has recorded.
    fn solve(
        &self,
        examples: &[usize],
        gram: &OnceCell<Gram>,
        l2: f64,
        start: Option<Tensor<2>>,
        mut progress: SolveProgress<'_>,
        training_state: &mut TrainingState<'_>,
    ) -> Result<Tensor<2>, Interrupt> {
        if let Some(solved) = training_state.replay_solve() {
            return solved.tensor(SOLUTION, [examples.len(), self.task.labels.len()]);
        }
        let gram = match gram.get() {
            Some(gram) => gram,
            None => {
                let made = self.examples.gram(&self.documents(examples))?;
                gram.get_or_init(|| made)
            }
        };
        let classes = examples.iter().map(|example| self.task.classes[*example]).collect();
        let device = self.examples.device();
        let problem = Problem { gram, classes, class_count: self.task.labels.len(), l2, stop: self.stop, device };
        let mut solver = match training_state.take_solve_in_progress() {
            Some(saved) => {
                let solver = Solver::restore(problem, &saved)?;
                progress.epochs_before = solver.stats().epoch;
                training_state.confirm_resume();
                solver
            }
            None => {
                training_state.confirm_resume();
                let solver = Solver::begin(problem, start)?;
                self.after_epoch(&solver, &progress, training_state)?;
                solver
            }
        };
        while !solver.is_done() && !aprendiz_test_gate::is_instant() {
            solver = solver.advance();
            self.after_epoch(&solver, &progress, training_state)?;
        }
        let solution = solver.solution();
        training_state.finish_solve(StateDict::default().with_tensor(SOLUTION, &solution));
        Ok(solution)
    }

    /// Reports an epoch and writes a checkpoint if one is due.
    fn after_epoch(
        &self,
        solver: &Solver<'_>,
        progress: &SolveProgress<'_>,
        training_state: &mut TrainingState<'_>,
    ) -> Result<(), Interrupt> {
        let stats = solver.stats();
        if !stats.loss.is_finite() {
            return Err(TrainingError::NonFiniteLoss { field: self.task.name.clone() }.into());
        }
        training_state.count_step();
        training_state.reporter.epoch(progress, stats, self.stop);
        training_state.save_if_due(|| solver.save())
    }

    /// Document indices of examples of the task.
    fn documents(&self, examples: &[usize]) -> Vec<usize> {
        examples.iter().map(|example| self.task.examples[*example]).collect()
    }
}
