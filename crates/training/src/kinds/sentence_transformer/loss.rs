//! The training loss: cosine similarity regression, or in-batch softmax (multiple negatives ranking).

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use inference::PairLoss;

use crate::kinds::sentence_transformer::pairs::Pair;

/// Added to the scores of false negatives: their softmax weight becomes 0.
const MASKED_SCORE: f32 = -1e9;

/// Lower bound of the norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// The loss of a batch of pairs. `vectors` `[t, h]` are the vectors of its distinct texts, `positions` the rows of the two texts of each
/// pair.
pub(super) fn loss(
    kind: PairLoss,
    scale: f64,
    pairs: &[Pair],
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
            let scores = scores + mask_false_negatives(pairs, positions, device);
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

/// Score offsets `[pairs, pairs]` that mask false negatives: texts of other pairs with the same class, with the same partner text, or with
/// the same first text.
fn mask_false_negatives(pairs: &[Pair], positions: &[(usize, usize)], device: &Device) -> Tensor<2> {
    let size = pairs.len();
    let values = (0..size * size).map(|index| {
        let (row, column) = (index / size, index % size);
        let same_class = pairs[row].class.is_some() && pairs[row].class == pairs[column].class;
        let same_text = positions[row].0 == positions[column].0 || positions[row].1 == positions[column].1;
        if row != column && (same_class || same_text) { MASKED_SCORE } else { 0.0 }
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(kind: PairLoss, pairs: &[Pair]) -> f32 {
        let device = Device::flex();
        let vectors = Tensor::<2>::from_data([[1.0_f32, 0.0], [0.0, 2.0], [1.0, 1.0]], &device);
        let positions: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.a as usize, pair.b as usize)).collect();
        loss(kind, 1.0, pairs, vectors, &positions, &device).into_scalar::<f32>()
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
    fn texts_of_the_same_class_are_not_negatives() {
        let with_class = |a, b| Pair { class: Some(3), ..pair(a, b, 1.0) };
        assert!(compute(PairLoss::MultipleNegatives, &[with_class(0, 1), with_class(1, 2)]).abs() < 1e-6);
    }
}
