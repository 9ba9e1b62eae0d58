//! Fits one field: chooses the strength of the penalty out of fold, scores every training example by a head that did not
//! see it, then fits the head that is kept on all of them.

use std::{cell::OnceCell, time::Instant};

use burn::tensor::Tensor;
use inference::LinearParams;

use crate::{
    dataset::Example,
    error::TrainingError,
    field_task::FieldTask,
    folds,
    gram::{Examples, Gram, matrix, read},
    halt::Halt,
    head::LinearHead,
    journal::Journal,
    output::ReportRow,
    progress::{FitProgress, LogLevel, Stage},
    record::Record,
    solver::{Fit, Problem, Stop},
    temperature,
};

/// Held-out examples that are enough to choose the strength of the penalty; more folds are scored until there are as many.
const ENOUGH_TO_CHOOSE: usize = 1000;

/// The strength where nothing can be held out to choose it.
const L2_UNCHOSEN: f64 = 0.3;

/// Name of the one tensor that is kept of a finished solve.
const SOLUTION: &str = "solution";

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
    /// Made when there is something to solve.
    gram: OnceCell<Gram>,
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

/// What was solved for a field: all that its head and its out-of-fold scores follow from.
struct SolvedField {
    l2: f64,
    folds: usize,
    /// Out of fold, `[N, C]`; `None` where nothing can be held out.
    scores: Option<Tensor<2>>,
    /// On all examples, `[N, C]`.
    solution: Tensor<2>,
}

/// Fits a field, or takes it from the journal.
pub(crate) fn fit_field(
    task: &FieldTask,
    documents: &[Example],
    examples: &Examples<'_>,
    params: &LinearParams,
    seed: u64,
    span: (f64, f64),
    journal: &mut Journal<'_>,
) -> Result<FieldFit, Halt> {
    let groups: Vec<&str> = task.examples.iter().map(|example| documents[*example].group.as_str()).collect();
    let stop = Stop { epochs: params.epochs, tolerance: params.tolerance };
    let (folds, assigned) = folds::assign(&groups, &task.classes, params.folds, seed).unwrap_or_default();
    if folds == 0 {
        let reason = "all its examples are near-duplicates of each other, so none can be held out";
        journal.reporter.log(LogLevel::Warn, format!("field `{}` has no out-of-fold scores: {reason}", task.name));
    }
    let folded = Folded { task, examples, folds, assigned, stop };
    let solved = match journal.finished_field() {
        Some(record) => SolvedField::restore(&record, [task.examples.len(), task.labels.len()])?,
        None => {
            let solved = folded.solve_field(params, span, journal)?;
            journal.finish_field(solved.save());
            solved
        }
    };
    Ok(folded.finish(solved, documents)?)
}

impl SolvedField {
    fn save(&self) -> Record {
        let record =
            Record::default().with_number("l2", self.l2).with_number("folds", self.folds as f64).with_tensor("solution", &self.solution);
        match &self.scores {
            Some(scores) => record.with_tensor("scores", scores),
            None => record,
        }
    }

    fn restore(record: &Record, shape: [usize; 2]) -> Result<Self, Halt> {
        let folds = record.count("folds")?;
        let scores = if folds > 0 { Some(record.tensor("scores", shape)?) } else { None };
        Ok(Self { l2: record.number("l2")?, folds, scores, solution: record.tensor("solution", shape)? })
    }
}

impl Folded<'_, '_> {
    fn solve_field(&self, params: &LinearParams, (from, to): (f64, f64), journal: &mut Journal<'_>) -> Result<SolvedField, Halt> {
        if self.folds == 0 {
            let l2 = params.l2.unwrap_or(L2_UNCHOSEN);
            let solution = self.solve_all(l2, None, (from, to), journal)?;
            return Ok(SolvedField { l2, folds: 0, scores: None, solution });
        }
        // the last sixth is for the final fit, however many folds there are
        let folds_end = from + (to - from) * self.folds as f64 / (self.folds as f64 + 1.0);
        let (l2, scored) = self.choose(&params.strengths(), (from, folds_end), journal)?;
        let scores = self.out_of_fold(&scored);
        let solution = self.solve_all(l2, self.start(&scored)?, (folds_end, to), journal)?;
        Ok(SolvedField { l2, folds: self.folds, scores: Some(scores), solution })
    }

    /// The scores `[N, C]` of all examples, each in the fold that held it out.
    fn out_of_fold(&self, scored: &[ScoredFold]) -> Tensor<2> {
        let shape @ [examples, classes] = [self.task.examples.len(), self.task.labels.len()];
        let mut by_example = vec![&[][..]; examples];
        for fold in scored {
            for (example, scores) in fold.held.iter().zip(fold.scores.chunks_exact(classes)) {
                by_example[*example] = scores;
            }
        }
        matrix(by_example.concat(), shape, self.examples.device())
    }

    /// The head, with the factor that makes its out-of-fold confidence match how often it was right.
    fn finish(&self, solved: SolvedField, documents: &[Example]) -> Result<FieldFit, TrainingError> {
        let task = self.task;
        let SolvedField { l2, folds, scores, solution } = solved;
        let not_finite = || TrainingError::NonFiniteLoss { field: task.name.clone() };
        let (factor, out_of_fold) = match scores {
            None => (1.0, Vec::new()),
            Some(scores) => {
                let scores = read(scores)?;
                let (factor, surprise) = temperature::fit(&scores, &task.classes);
                if !surprise.is_finite() {
                    return Err(not_finite());
                }
                let rows = scores
                    .chunks_exact(task.labels.len())
                    .enumerate()
                    .map(|(number, scores)| report_row(task, documents, number, &temperature::probabilities(scores, factor)));
                (factor, rows.collect())
            }
        };
        let (mut weight, mut bias) = self.examples.head(&task.examples, &solution)?;
        for value in weight.iter_mut().chain(&mut bias) {
            *value = (f64::from(*value) * factor) as f32;
        }
        if !weight.iter().chain(&bias).all(|value| value.is_finite()) {
            return Err(not_finite());
        }
        Ok(FieldFit { l2, folds, head: LinearHead::new(weight, bias, self.examples.device()), out_of_fold })
    }

    /// The strength under which held-out classes were least surprising, with all folds scored under it.
    ///
    /// `strengths` run from strong to weak, so each solution starts from the one before; the search ends at the first
    /// strength that is worse than the one before it, because weaker ones cost most and only overfit more.
    fn choose(&self, strengths: &[f64], (from, to): (f64, f64), journal: &mut Journal<'_>) -> Result<(f64, Vec<ScoredFold>), Halt> {
        let choosing = if strengths.len() > 1 { self.folds_to_choose() } else { 0 };
        // folds that choose are solved once per strength
        let fits = (choosing * strengths.len() + self.folds - choosing) as f64;
        // rounds that were beaten are forgotten: a round is the solves under one strength
        let first_round = journal.forgotten().checked_div(choosing).unwrap_or(0);
        if first_round * choosing != journal.forgotten() || first_round >= strengths.len() {
            return Err(Halt::Unfit(format!("it has forgotten {} solves", journal.forgotten())));
        }
        let mut done = journal.forgotten() as f64;
        let mut next = || {
            let span = (from + (to - from) * done / fits, from + (to - from) * (done + 1.0) / fits);
            done += 1.0;
            span
        };

        let mut best: Option<(f64, f64, Vec<ScoredFold>)> = None;
        let mut open: Vec<OpenFold> = (0..choosing).map(|fold| self.open(fold)).collect();
        for (round, l2) in strengths.iter().enumerate().skip(first_round).filter(|_| choosing > 0) {
            let mut scored = Vec::with_capacity(choosing);
            for fold in &mut open {
                scored.push(self.score(fold, *l2, next(), journal)?);
            }
            let surprise = self.surprise(&scored);
            if best.as_ref().is_some_and(|(least, _, _)| surprise >= *least) {
                break;
            }
            best = Some((surprise, *l2, scored));
            journal.forget(round * choosing);
        }
        drop(open);
        let (l2, mut scored) = best.map_or((strengths[0], Vec::new()), |(_, l2, scored)| (l2, scored));
        for fold in choosing..self.folds {
            let mut open = self.open(fold);
            if let Some(solved) = scored.first() {
                open.solution = Some(self.taken_from(solved, &open.fitted)?);
            }
            scored.push(self.score(&mut open, l2, next(), journal)?);
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
        OpenFold { fold, held, fitted, gram: OnceCell::new(), solution: None }
    }

    /// Scores of the examples of a fold by a head fitted without it. Starts from the solution it found last.
    fn score(&self, open: &mut OpenFold, l2: f64, span: (f64, f64), journal: &mut Journal<'_>) -> Result<ScoredFold, Halt> {
        let progress = FitProgress {
            stage: Stage::Fold,
            field: &self.task.name,
            fold: Some(open.fold),
            span,
            examples: open.fitted.len(),
            epochs_before: 0,
            started: Instant::now(),
        };
        let solution = self.solve(&open.fitted, &open.gram, l2, open.solution.take(), progress, journal)?;
        let scores = self.examples.scores(&self.documents(&open.held), &self.documents(&open.fitted), &solution)?;
        open.solution = Some(solution.clone());
        Ok(ScoredFold { held: open.held.clone(), fitted: open.fitted.clone(), scores, solution })
    }

    /// Near the solution of another fold: the weights of the examples that both were fitted on.
    fn taken_from(&self, solved: &ScoredFold, fitted: &[usize]) -> Result<Tensor<2>, TrainingError> {
        let classes = self.task.labels.len();
        let mut weights = vec![0.0_f32; self.task.examples.len() * classes];
        for (example, solved) in solved.fitted.iter().zip(read(solved.solution.clone())?.chunks_exact(classes)) {
            weights[example * classes..][..classes].copy_from_slice(solved);
        }
        let weights: Vec<f32> = fitted.iter().flat_map(|example| &weights[example * classes..][..classes]).copied().collect();
        Ok(matrix(weights, [fitted.len(), classes], self.examples.device()))
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

    /// The solution on every example.
    fn solve_all(&self, l2: f64, start: Option<Tensor<2>>, span: (f64, f64), journal: &mut Journal<'_>) -> Result<Tensor<2>, Halt> {
        let all: Vec<usize> = (0..self.task.examples.len()).collect();
        let progress = FitProgress {
            stage: Stage::Fit,
            field: &self.task.name,
            fold: None,
            span,
            examples: all.len(),
            epochs_before: 0,
            started: Instant::now(),
        };
        self.solve(&all, &OnceCell::new(), l2, start, progress, journal)
    }

    /// The solution on some examples of the task. What the journal holds of it is not computed again.
    fn solve(
        &self,
        examples: &[usize],
        gram: &OnceCell<Gram>,
        l2: f64,
        start: Option<Tensor<2>>,
        mut progress: FitProgress<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<Tensor<2>, Halt> {
        if let Some(solved) = journal.finished_solve() {
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
        let mut fit = match journal.unfinished_solve() {
            Some(saved) => {
                let fit = Fit::restore(problem, &saved)?;
                progress.epochs_before = fit.pass().epoch;
                journal.taken_up();
                fit
            }
            None => {
                journal.taken_up();
                let fit = Fit::begin(problem, start)?;
                self.passed(&fit, &progress, journal)?;
                fit
            }
        };
        while !fit.is_done() && !aprendiz_test_gate::is_instant() {
            fit = fit.advance();
            self.passed(&fit, &progress, journal)?;
        }
        let solution = fit.solution();
        journal.finish_solve(Record::default().with_tensor(SOLUTION, &solution));
        Ok(solution)
    }

    /// After each pass.
    fn passed(&self, fit: &Fit<'_>, progress: &FitProgress<'_>, journal: &mut Journal<'_>) -> Result<(), Halt> {
        let pass = fit.pass();
        if !pass.loss.is_finite() {
            return Err(TrainingError::NonFiniteLoss { field: self.task.name.clone() }.into());
        }
        journal.count_step();
        journal.reporter.epoch(progress, pass, self.stop);
        journal.between_steps(|| fit.save())
    }

    /// Numbers among all documents of examples of the task.
    fn documents(&self, examples: &[usize]) -> Vec<usize> {
        examples.iter().map(|example| self.task.examples[*example]).collect()
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
