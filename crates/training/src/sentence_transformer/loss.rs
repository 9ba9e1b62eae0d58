//! What a step makes smaller.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use inference::PairLoss;

use crate::sentence_transformer::pairs::Pair;

/// Added to the scores of partners that are right as well: their share becomes 0.
const NOT_WRONG: f32 = -1e9;

/// Shortest length a vector is divided by.
const LEAST_NORM: f32 = 1e-12;

/// The loss of some pairs, of which `vectors` `[t, h]` are their distinct texts, and `places` where each pair has its texts there.
pub(super) fn loss(
    kind: PairLoss,
    scale: f64,
    pairs: &[Pair],
    vectors: Tensor<2>,
    places: &[(usize, usize)],
    device: &Device,
) -> Tensor<1> {
    let vectors = unit(vectors);
    let side = |side: &dyn Fn(&(usize, usize)) -> usize| {
        let indices: Vec<i32> = places.iter().map(|place| side(place) as i32).collect();
        vectors.clone().select(0, Tensor::<1, Int>::from_data(TensorData::new(indices, [places.len()]), device))
    };
    let (a, b) = (side(&|place| place.0), side(&|place| place.1));
    match kind {
        PairLoss::CosineSimilarity => {
            let labels = pairs.iter().map(|pair| pair.label).collect::<Vec<f32>>();
            let labels = Tensor::<2>::from_data(TensorData::new(labels, [pairs.len(), 1]), device);
            ((a * b).sum_dim(1) - labels).square().mean()
        }
        PairLoss::MultipleNegatives => {
            let scores = a.matmul(b.swap_dims(0, 1)) * scale as f32;
            let scores = scores + not_wrong(pairs, places, device);
            let own: Vec<f32> = identity(pairs.len());
            let own = Tensor::<2>::from_data(TensorData::new(own, [pairs.len(), pairs.len()]), device);
            -(activation::log_softmax(scores, 1) * own).sum() / pairs.len() as f32
        }
    }
}

fn unit(vectors: Tensor<2>) -> Tensor<2> {
    let norms = vectors.clone().square().sum_dim(1).sqrt().clamp_min(LEAST_NORM);
    vectors / norms
}

fn identity(size: usize) -> Vec<f32> {
    (0..size * size).map(|place| if place / size == place % size { 1.0 } else { 0.0 }).collect()
}

/// `[pairs, pairs]`: takes out partners of other pairs that are of the same class or the very same text, and those of the same first text.
fn not_wrong(pairs: &[Pair], places: &[(usize, usize)], device: &Device) -> Tensor<2> {
    let size = pairs.len();
    let values = (0..size * size).map(|place| {
        let (row, column) = (place / size, place % size);
        let same_class = pairs[row].class.is_some() && pairs[row].class == pairs[column].class;
        let same_text = places[row].0 == places[column].0 || places[row].1 == places[column].1;
        if row != column && (same_class || same_text) { NOT_WRONG } else { 0.0 }
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), [size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: PairLoss, pairs: &[Pair]) -> f32 {
        let device = Device::flex();
        let vectors = Tensor::<2>::from_data([[1.0_f32, 0.0], [0.0, 2.0], [1.0, 1.0]], &device);
        let places: Vec<(usize, usize)> = pairs.iter().map(|pair| (pair.a as usize, pair.b as usize)).collect();
        loss(kind, 1.0, pairs, vectors, &places, &device).into_scalar::<f32>()
    }

    fn pair(a: u32, b: u32, label: f32) -> Pair {
        Pair { a, b, label, class: None, field: 0, number: 1 }
    }

    #[test]
    fn the_cosine_loss_is_the_mean_squared_distance_to_the_label() {
        let root = 0.5_f32.sqrt();
        let expected = ((0.0 - 1.0_f32).powi(2) + (root - 0.0).powi(2)) / 2.0;
        assert!((of(PairLoss::CosineSimilarity, &[pair(0, 1, 1.0), pair(0, 2, 0.0)]) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_ranking_loss_is_the_cross_entropy_of_the_own_partner() {
        // rows: cosines of a with the partners 1 and 2
        let root = 0.5_f32.sqrt();
        let first = -(0.0_f32.exp() / (0.0_f32.exp() + root.exp())).ln();
        let second = -(root.exp() / (1.0_f32.exp() + root.exp())).ln();
        let expected = (first + second) / 2.0;
        assert!((of(PairLoss::MultipleNegatives, &[pair(0, 1, 1.0), pair(1, 2, 1.0)]) - expected).abs() < 1e-5);
    }

    #[test]
    fn partners_of_the_same_class_are_no_wrong_answers() {
        let of_class = |a, b| Pair { class: Some(3), ..pair(a, b, 1.0) };
        assert!(of(PairLoss::MultipleNegatives, &[of_class(0, 1), of_class(1, 2)]).abs() < 1e-6);
    }
}
