//! Weighs the out-of-fold probabilities of two models. The weight of an example is chosen on the other folds, so that its combined
//! probabilities are out of fold, too (cross-fitting, as in stacking; Wolpert, 1992, doi:10.1016/S0893-6080(05)80023-1).

use aprendiz_classifier::Mixture;
use rayon::prelude::*;

use crate::kinds::linear::temperature;

/// Weights of the field classifier to choose from.
const WEIGHTS: [f64; 3] = [0.3, 0.5, 0.7];

/// Examples per parallel task.
const EXAMPLES_PER_TASK: usize = 512;

/// Combined out-of-fold probabilities `[N, C]`, and the mixture that is chosen on all examples.
pub(super) struct Combined {
    pub(super) mixture: Mixture,
    pub(super) probabilities: Vec<f32>,
}

/// Combines `linear` and `classifier`, both `[N, C]`. `classes` are the accepted classes, `assigned` the folds of the examples.
pub(super) fn combine(linear: &[f32], classifier: &[f32], classes: &[usize], assigned: &[usize]) -> Combined {
    let columns = linear.len() / classes.len().max(1);
    let scores = WEIGHTS.map(|weight| {
        let pairs = linear.par_chunks(columns * EXAMPLES_PER_TASK).zip(classifier.par_chunks(columns * EXAMPLES_PER_TASK));
        let score = |(linear, classifier): (&f32, &f32)| Mixture::score(weight, f64::from(*linear), f64::from(*classifier)) as f32;
        let scores: Vec<Vec<f32>> = pairs.map(|(linear, classifier)| linear.iter().zip(classifier).map(score).collect()).collect();
        scores.concat()
    });
    let folds = assigned.iter().max().map_or(0, |last| last + 1);
    let mut probabilities = vec![0.0; linear.len()];
    for fold in 0..folds {
        let (held_out, others): (Vec<usize>, Vec<usize>) = (0..classes.len()).partition(|example| assigned[*example] == fold);
        let (index, mixture) = choose(&scores, classes, &others, columns);
        for example in held_out {
            let range = example * columns..(example + 1) * columns;
            let found = temperature::probabilities(&scores[index][range.clone()], mixture.inverse_temperature);
            probabilities[range].iter_mut().zip(found).for_each(|(slot, probability)| *slot = probability as f32);
        }
    }
    let all: Vec<usize> = (0..classes.len()).collect();
    Combined { mixture: choose(&scores, classes, &all, columns).1, probabilities }
}

/// The weight with the lowest log loss on some examples: its index, and the mixture.
fn choose(scores: &[Vec<f32>; WEIGHTS.len()], classes: &[usize], examples: &[usize], columns: usize) -> (usize, Mixture) {
    let classes: Vec<usize> = examples.iter().map(|example| classes[*example]).collect();
    let fits = scores.iter().map(|scores| {
        let selected: Vec<f32> = examples.iter().flat_map(|example| &scores[example * columns..(example + 1) * columns]).copied().collect();
        temperature::fit(&selected, &classes)
    });
    let (index, (inverse_temperature, _)) =
        fits.enumerate().min_by(|(_, one), (_, other)| one.1.total_cmp(&other.1)).expect("there are several weights");
    (index, Mixture { weight: WEIGHTS[index], inverse_temperature })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_models_that_err_on_different_examples_are_better_together() {
        // class 0 and 1 alternate; each model is sure and right on half of the examples, and unsure and wrong on the others
        let (sure, unsure) = ([0.95, 0.05], [0.45, 0.55]);
        let oriented = |class: usize, row: [f32; 2]| if class == 0 { row } else { [row[1], row[0]] };
        let classes: Vec<usize> = (0..40).map(|example| example % 2).collect();
        let rows = |is_sure: &dyn Fn(usize) -> bool| -> Vec<f32> {
            (0..40).flat_map(|example| oriented(classes[example], if is_sure(example) { sure } else { unsure })).collect()
        };
        let (linear, classifier) = (rows(&|example| example / 2 % 2 == 0), rows(&|example| example / 2 % 2 == 1));
        let assigned: Vec<usize> = (0..40).map(|example| example % 5).collect();
        let combined = combine(&linear, &classifier, &classes, &assigned);
        for (example, probabilities) in combined.probabilities.chunks_exact(2).enumerate() {
            assert!(probabilities[classes[example]] > 0.9, "{example}: {probabilities:?}");
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert!((combined.mixture.weight - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_better_model_has_more_weight_and_a_held_out_label_changes_nothing() {
        let good: Vec<f32> = (0..20).flat_map(|example| if example % 2 == 0 { [0.9, 0.1] } else { [0.1, 0.9] }).collect();
        let useless = vec![0.5; 40];
        let mut classes: Vec<usize> = (0..20).map(|example| example % 2).collect();
        let assigned: Vec<usize> = (0..20).map(|example| example % 4).collect();
        let before = combine(&useless, &good, &classes, &assigned);
        assert!((before.mixture.weight - 0.7).abs() < 1e-12, "{:?}", before.mixture);
        classes[0] = 1;
        let after = combine(&useless, &good, &classes, &assigned);
        assert_eq!(before.probabilities[..2], after.probabilities[..2], "the label of an example does not reach its own probabilities");
    }
}
