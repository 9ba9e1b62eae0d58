//! The training loss: cosine similarity regression, or in-batch softmax (multiple negatives ranking).

use aprendiz_run_spec::PairLoss;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use crate::kinds::sentence_transformer::{pair::Pair, text_classes::TextClasses};

/// Added to the scores of false negatives: their softmax weight becomes 0.
const MASKED_SCORE: f32 = -1e9;

/// Lower bound of the norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// The loss of a batch of pairs. `vectors` `[t, h]` are the vectors of its distinct texts, `positions` the rows of the two texts of each
/// pair. `classes` tell which texts are negatives of each other.
pub(super) fn loss(
    kind: PairLoss,
    scale: f64,
    pairs: &[Pair],
    classes: &TextClasses,
    vectors: Tensor<2>,
    positions: &[(usize, usize)],
    device: &Device,
) -> Tensor<1> {
    let vectors = normalize(vectors);
    let side = |side: &dyn Fn(&(usize, usize)) -> usize| {
        let indices: Vec<i32> = positions.iter().map(|position| side(position) as i32).collect();
        vectors.clone().select(0, Tensor::<1, Int>::from_data(TensorData::new(indices, [positions.len()]), device))
    };
    let (a, b) = (side(&|position| position.0), side(&|position| position.1));
    match kind {
        PairLoss::CosineSimilarity => {
            let labels = pairs.iter().map(|pair| pair.label).collect::<Vec<f32>>();
            let labels = Tensor::<2>::from_data(TensorData::new(labels, [pairs.len(), 1]), device);
            ((a * b).sum_dim(1) - labels).square().mean()
        }
        PairLoss::MultipleNegatives => {
            let scores = a.matmul(b.swap_dims(0, 1)) * scale as f32;
            let scores = scores + mask_false_negatives(pairs, classes, positions, device);
            let targets: Vec<f32> = identity(pairs.len());
            let targets = Tensor::<2>::from_data(TensorData::new(targets, [pairs.len(), pairs.len()]), device);
            -(activation::log_softmax(scores, 1) * targets).sum() / pairs.len() as f32
        }
    }
}

fn normalize(vectors: Tensor<2>) -> Tensor<2> {
    let norms = vectors.clone().square().sum_dim(1).sqrt().clamp_min(MIN_NORM);
    vectors / norms
}

fn identity(size: usize) -> Vec<f32> {
    (0..size * size).map(|index| if index / size == index % size { 1.0 } else { 0.0 }).collect()
}

/// Score offsets `[pairs, pairs]` that mask false negatives: texts of other pairs that may have the same class, also where these pairs are
/// about another field, and pairs with the same partner text or the same first text.
fn mask_false_negatives(pairs: &[Pair], classes: &TextClasses, positions: &[(usize, usize)], device: &Device) -> Tensor<2> {
    let size = pairs.len();
    let values = (0..size * size).map(|index| {
        let (row, column) = (index / size, index % size);
        let same_class = classes.may_be_positive(&pairs[row], &pairs[column]);
        let same_text = positions[row].0 == positions[column].0 || positions[row].1 == positions[column].1;
        if row != column && (same_class || same_text) { MASKED_SCORE } else { 0.0 }
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(kind: PairLoss, pairs: &[Pair]) -> f32 {
        compute_with(kind, pairs, &TextClasses::default())
    }

    fn compute_with(kind: PairLoss, pairs: &[Pair], classes: &TextClasses) -> f32 {
        let device = Device::flex();
        let vectors = Tensor::<2>::from_data([[1.0_f32, 0.0], [0.0, 2.0], [1.0, 1.0]], &device);
        let positions: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.a as usize, pair.b as usize)).collect();
        loss(kind, 1.0, pairs, classes, vectors, &positions, &device).into_scalar::<f32>()
    }

    fn pair(a: u32, b: u32, label: f32) -> Pair {
        Pair { a, b, label, class: None, field: 0, number: 1 }
    }

    #[test]
    fn the_cosine_loss_is_the_mean_squared_distance_to_the_label() {
        let root = 0.5_f32.sqrt();
        let expected = ((0.0 - 1.0_f32).powi(2) + (root - 0.0).powi(2)) / 2.0;
        assert!((compute(PairLoss::CosineSimilarity, &[pair(0, 1, 1.0), pair(0, 2, 0.0)]) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_ranking_loss_is_the_cross_entropy_of_the_positive() {
        // rows: cosine similarities of a with the partners 1 and 2
        let root = 0.5_f32.sqrt();
        let first = -(0.0_f32.exp() / (0.0_f32.exp() + root.exp())).ln();
        let second = -(root.exp() / (1.0_f32.exp() + root.exp())).ln();
        let expected = (first + second) / 2.0;
        assert!((compute(PairLoss::MultipleNegatives, &[pair(0, 1, 1.0), pair(1, 2, 1.0)]) - expected).abs() < 1e-5);
    }

    #[test]
    fn texts_of_the_same_class_in_another_field_are_not_negatives() {
        let of_field = |field, class, a, b| Pair { class: Some(class), field, ..pair(a, b, 1.0) };
        let pairs = [of_field(0, 3, 0, 1), of_field(1, 7, 1, 2)];
        // text 2 has the class of the first pair in its field, text 1 that of the second pair in the other field
        let mut classes = TextClasses::default();
        classes.insert(0, 2, 3);
        classes.insert(1, 1, 7);
        assert!(compute_with(PairLoss::MultipleNegatives, &pairs, &classes).abs() < 1e-6);
        // what is not known is no negative either
        assert!(compute_with(PairLoss::MultipleNegatives, &pairs, &TextClasses::default()).abs() < 1e-6);
        // texts that are known to have other classes are negatives, as within one field
        let mut other = TextClasses::default();
        other.insert(0, 2, 4);
        other.insert(1, 1, 8);
        let within = compute(PairLoss::MultipleNegatives, &[pair(0, 1, 1.0), pair(1, 2, 1.0)]);
        assert!((compute_with(PairLoss::MultipleNegatives, &pairs, &other) - within).abs() < 1e-6);
    }

    #[test]
    fn texts_of_the_same_class_are_not_negatives() {
        let with_class = |a, b| Pair { class: Some(3), ..pair(a, b, 1.0) };
        assert!(compute(PairLoss::MultipleNegatives, &[with_class(0, 1), with_class(1, 2)]).abs() < 1e-6);
    }
}
