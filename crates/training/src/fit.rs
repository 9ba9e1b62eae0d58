//! Fits one field: chooses the strength of the penalty out of fold, scores every training example by a head that did not
//! see it, then fits the head that is kept on all of them.

use std::time::Instant;

use burn::tensor::Tensor;
use inference::LinearParams;

use crate::{
    dataset::Example,
    error::TrainingError,
    field_task::FieldTask,
    folds,
    gram::{Examples, Gram, matrix, read},
    head::LinearHead,
    output::ReportRow,
    progress::{FitProgress, LogLevel, Reporter, Stage},
    solver::{self, Stop},
    temperature,
};

/// Held-out examples that are enough to choose the strength of the penalty; more folds are scored until there are as many.
const ENOUGH_TO_CHOOSE: usize = 1000;

/// The strength where nothing can be held out to choose it.
const L2_UNCHOSEN: f64 = 0.3;

/// A fitted field.
pub(crate) struct FieldFit {
    pub(crate) l2: f64,
    pub(crate) folds: usize,
    pub(crate) head: LinearHead,
    pub(crate) out_of_fold: Vec<ReportRow>,
}

/// The examples of a field with the folds they are held out in.
struct Folded<'a, 'b> {
    task: &'a FieldTask,
    examples: &'a Examples<'b>,
    folds: usize,
    assigned: Vec<usize>,
    stop: Stop,
}

/// A fold that is being solved. Examples are numbers within the task.
struct OpenFold {
    fold: usize,
    held: Vec<usize>,
    fitted: Vec<usize>,
    gram: Gram,
    targets: Tensor<2>,
    solution: Option<Tensor<2>>,
}

/// A fold that was scored.
struct ScoredFold {
    held: Vec<usize>,
    fitted: Vec<usize>,
    /// `[held, classes]`.
    scores: Vec<f32>,
    /// `[fitted, classes]`.
    solution: Tensor<2>,
}

pub(crate) fn fit_field(
    task: &FieldTask,
    documents: &[Example],
    examples: &Examples<'_>,
    params: &LinearParams,
    seed: u64,
    (from, to): (f64, f64),
    reporter: &mut Reporter<'_>,
) -> Result<FieldFit, TrainingError> {
    let groups: Vec<&str> = task.examples.iter().map(|example| documents[*example].group.as_str()).collect();
    let stop = Stop { epochs: params.epochs, tolerance: params.tolerance };
    let Some((folds, assigned)) = folds::assign(&groups, &task.classes, params.folds, seed) else {
        let reason = "all its examples are near-duplicates of each other, so none can be held out";
        reporter.log(LogLevel::Warn, format!("field `{}` has no out-of-fold scores: {reason}", task.name));
        let l2 = params.l2.unwrap_or(L2_UNCHOSEN);
        let folded = Folded { task, examples, folds: 0, assigned: Vec::new(), stop };
        let head = folded.fit_all(l2, 1.0, None, (from, to), reporter)?;
        return Ok(FieldFit { l2, folds: 0, head, out_of_fold: Vec::new() });
    };
    let folded = Folded { task, examples, folds, assigned, stop };
    // the last sixth is for the final fit, however many folds there are
    let folds_end = from + (to - from) * folds as f64 / (folds as f64 + 1.0);
    let (l2, scores) = folded.choose(&params.strengths(), (from, folds_end), reporter)?;

    let mut by_example = vec![&[][..]; task.examples.len()];
    let classes = task.labels.len();
    for fold in &scores {
        for (example, scores) in fold.held.iter().zip(fold.scores.chunks_exact(classes)) {
            by_example[*example] = scores;
        }
    }
    let all: Vec<f32> = by_example.concat();
    let (factor, surprise) = temperature::fit(&all, &task.classes);
    if !surprise.is_finite() {
        return Err(TrainingError::NonFiniteLoss { field: task.name.clone() });
    }
    let out_of_fold = all
        .chunks_exact(classes)
        .enumerate()
        .map(|(number, scores)| report_row(task, documents, number, &temperature::probabilities(scores, factor)))
        .collect();
    let start = folded.start(&scores)?;
    let head = folded.fit_all(l2, factor, start, (folds_end, to), reporter)?;
    Ok(FieldFit { l2, folds, head, out_of_fold })
}

impl Folded<'_, '_> {
    /// The strength under which held-out classes were least surprising, with all folds scored under it.
    ///
    /// `strengths` run from strong to weak, so each solution starts from the one before; the search ends at the first
    /// strength that is worse than the one before it, because weaker ones cost most and only overfit more.
    fn choose(
        &self,
        strengths: &[f64],
        (from, to): (f64, f64),
        reporter: &mut Reporter<'_>,
    ) -> Result<(f64, Vec<ScoredFold>), TrainingError> {
        let choosing = if strengths.len() > 1 { self.folds_to_choose() } else { 0 };
        // folds that choose are solved once per strength
        let fits = (choosing * strengths.len() + self.folds - choosing) as f64;
        let mut done = 0.0;
        let mut next = || {
            let span = (from + (to - from) * done / fits, from + (to - from) * (done + 1.0) / fits);
            done += 1.0;
            span
        };

        let mut best: Option<(f64, f64, Vec<ScoredFold>)> = None;
        let mut open: Vec<OpenFold> = (0..choosing).map(|fold| self.open(fold)).collect();
        for l2 in strengths.iter().filter(|_| choosing > 0) {
            let mut scored = Vec::with_capacity(choosing);
            for fold in &mut open {
                scored.push(self.score(fold, *l2, next(), reporter)?);
            }
            let surprise = self.surprise(&scored);
            if best.as_ref().is_some_and(|(least, _, _)| surprise >= *least) {
                break;
            }
            best = Some((surprise, *l2, scored));
        }
        drop(open);
        let (l2, mut scored) = best.map_or((strengths[0], Vec::new()), |(_, l2, scored)| (l2, scored));
        for fold in choosing..self.folds {
            scored.push(self.score(&mut self.open(fold), l2, next(), reporter)?);
        }
        Ok((l2, scored))
    }

    /// How many folds hold out enough examples to choose by.
    fn folds_to_choose(&self) -> usize {
        let mut held = 0;
        for fold in 0..self.folds {
            held += self.assigned.iter().filter(|assigned| **assigned == fold).count();
            if held >= ENOUGH_TO_CHOOSE {
                return fold + 1;
            }
        }
        self.folds
    }

    fn surprise(&self, scored: &[ScoredFold]) -> f64 {
        let scores: Vec<f32> = scored.iter().flat_map(|fold| fold.scores.iter().copied()).collect();
        let held = scored.iter().flat_map(|fold| &fold.held);
        let classes: Vec<usize> = held.map(|example| self.task.classes[*example]).collect();
        temperature::fit(&scores, &classes).1
    }

    /// Everything but one fold, ready to be solved.
    fn open(&self, fold: usize) -> OpenFold {
        let (held, fitted): (Vec<usize>, Vec<usize>) = (0..self.task.examples.len()).partition(|example| self.assigned[*example] == fold);
        OpenFold { fold, gram: self.examples.gram(&self.documents(&fitted)), targets: self.targets(&fitted), held, fitted, solution: None }
    }

    /// Scores of the examples of a fold by a head fitted without it. Starts from the solution it found last.
    fn score(&self, open: &mut OpenFold, l2: f64, span: (f64, f64), reporter: &mut Reporter<'_>) -> Result<ScoredFold, TrainingError> {
        let progress = FitProgress {
            stage: Stage::Fold,
            field: &self.task.name,
            fold: Some(open.fold),
            span,
            examples: open.fitted.len(),
            started: Instant::now(),
        };
        let solution = self.solve(&open.gram, &open.targets, l2, open.solution.take(), &progress, reporter)?;
        let scores = self.examples.scores(&self.documents(&open.held), &self.documents(&open.fitted), &solution)?;
        open.solution = Some(solution.clone());
        Ok(ScoredFold { held: open.held.clone(), fitted: open.fitted.clone(), scores, solution })
    }

    /// Near the solution on all examples: for each the mean of its weights in the folds that saw it.
    fn start(&self, scored: &[ScoredFold]) -> Result<Option<Tensor<2>>, TrainingError> {
        if scored.is_empty() {
            return Ok(None);
        }
        let classes = self.task.labels.len();
        let share = 1.0 / (scored.len() as f32 - 1.0);
        let mut mean = vec![0.0_f32; self.task.examples.len() * classes];
        for fold in scored {
            let solution = read(fold.solution.clone())?;
            for (example, weights) in fold.fitted.iter().zip(solution.chunks_exact(classes)) {
                for (mean, weight) in mean[example * classes..].iter_mut().zip(weights) {
                    *mean += weight * share;
                }
            }
        }
        Ok(Some(matrix(mean, [self.task.examples.len(), classes], self.examples.device())))
    }

    /// The head fitted on every example, its scores multiplied by `factor`.
    fn fit_all(
        &self,
        l2: f64,
        factor: f64,
        start: Option<Tensor<2>>,
        span: (f64, f64),
        reporter: &mut Reporter<'_>,
    ) -> Result<LinearHead, TrainingError> {
        let all: Vec<usize> = (0..self.task.examples.len()).collect();
        let progress =
            FitProgress { stage: Stage::Fit, field: &self.task.name, fold: None, span, examples: all.len(), started: Instant::now() };
        let gram = self.examples.gram(&self.task.examples);
        let solution = self.solve(&gram, &self.targets(&all), l2, start, &progress, reporter)?;
        let (mut weight, mut bias) = self.examples.head(&self.task.examples, &solution)?;
        for value in weight.iter_mut().chain(&mut bias) {
            *value = (f64::from(*value) * factor) as f32;
        }
        if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
            return Err(TrainingError::NonFiniteLoss { field: self.task.name.clone() });
        }
        Ok(LinearHead::new(weight, bias, self.examples.device()))
    }

    fn solve(
        &self,
        gram: &Gram,
        targets: &Tensor<2>,
        l2: f64,
        start: Option<Tensor<2>>,
        progress: &FitProgress<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Tensor<2>, TrainingError> {
        let mut is_finite = true;
        let solution = solver::fit(gram, targets, l2, start, self.stop, &mut |pass| {
            is_finite &= pass.loss.is_finite();
            reporter.epoch(progress, pass, self.stop);
        })?;
        if is_finite { Ok(solution) } else { Err(TrainingError::NonFiniteLoss { field: self.task.name.clone() }) }
    }

    /// Numbers among all documents of examples of the task.
    fn documents(&self, examples: &[usize]) -> Vec<usize> {
        examples.iter().map(|example| self.task.examples[*example]).collect()
    }

    /// `[examples, classes]`: 1 for the class of the example, -1 for all others.
    fn targets(&self, examples: &[usize]) -> Tensor<2> {
        let classes = self.task.labels.len();
        let mut targets = vec![-1.0; examples.len() * classes];
        for (row, example) in examples.iter().enumerate() {
            targets[row * classes + self.task.classes[*example]] = 1.0;
        }
        matrix(targets, [examples.len(), classes], self.examples.device())
    }
}

fn report_row(task: &FieldTask, documents: &[Example], number: usize, probabilities: &[f64]) -> ReportRow {
    // the first of equals, as predicting does
    let mut best = 0;
    for (class, probability) in probabilities.iter().enumerate() {
        if *probability > probabilities[best] {
            best = class;
        }
    }
    let gold = task.classes[number];
    ReportRow {
        document_id: documents[task.examples[number]].document_id.clone(),
        field: task.name.clone(),
        gold: task.labels[gold].clone(),
        predicted: task.labels[best].clone(),
        confidence: probabilities[best],
        gold_probability: probabilities[gold],
    }
}
