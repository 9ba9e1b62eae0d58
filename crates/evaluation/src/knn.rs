//! k-nearest-neighbour classification by cosine similarity.

use crate::example::Label;

/// Classifies each query by the majority class of its `k` nearest vectors in the index. Ties go to the class with the nearest vector.
/// All results are `None` if the index is empty.
#[must_use]
pub fn knn_classify(index: &[(&[f32], &Label)], queries: &[&[f32]], k: usize) -> Vec<Option<Label>> {
    let norms: Vec<f64> = index.iter().map(|(vector, _)| dot(vector, vector).sqrt()).collect();
    let classify = |query: &&[f32]| {
        let mut nearest: Vec<(f64, &Label)> =
            index.iter().zip(&norms).map(|((vector, class), norm)| (dot(query, vector) / norm.max(f64::MIN_POSITIVE), *class)).collect();
        // a stable sort: equal similarities keep the order of the index
        nearest.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        nearest.truncate(k);
        let votes = |class: &Label| nearest.iter().filter(|(_, other)| *other == class).count();
        // reversed, because `max_by_key` returns the last maximum and ties go to the nearest
        nearest.iter().rev().max_by_key(|(_, class)| votes(class)).map(|(_, class)| (*class).clone())
    };
    queries.iter().map(classify).collect()
}

/// Accuracy of [`knn_classify`]; `None` without queries or with an empty index.
#[must_use]
pub fn knn_accuracy(index: &[(&[f32], &Label)], queries: &[(&[f32], &Label)], k: usize) -> Option<f64> {
    if index.is_empty() || queries.is_empty() {
        return None;
    }
    let vectors: Vec<&[f32]> = queries.iter().map(|(vector, _)| *vector).collect();
    let predicted = knn_classify(index, &vectors, k);
    let correct = predicted.iter().zip(queries).filter(|(predicted, (_, class))| predicted.as_ref() == Some(*class)).count();
    Some(correct as f64 / queries.len() as f64)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(class: &str) -> Label {
        Some(class.to_owned())
    }

    #[test]
    fn majority_class_wins_and_ties_go_to_the_nearest() {
        let (a, b, none) = (label("a"), label("b"), None);
        let index: [(&[f32], &Label); 4] = [(&[1.0, 0.1], &a), (&[9.0, 0.0], &b), (&[1.0, 0.3], &a), (&[0.0, 1.0], &none)];
        let queries: [&[f32]; 2] = [&[1.0, 0.0], &[0.0, 1.0]];
        assert_eq!(knn_classify(&index, &queries, 1), [Some(label("b")), Some(None)]);
        assert_eq!(knn_classify(&index, &queries, 2), [Some(label("b")), Some(None)]);
        assert_eq!(knn_classify(&index, &queries, 3), [Some(label("a")), Some(label("a"))]);
        assert_eq!(knn_classify(&[], &queries, 3), [None, None]);
    }

    #[test]
    fn accuracy_is_the_fraction_of_correct_queries() {
        let (a, b) = (label("a"), label("b"));
        let index: [(&[f32], &Label); 2] = [(&[1.0, 0.0], &a), (&[0.0, 1.0], &b)];
        let queries: [(&[f32], &Label); 4] = [(&[1.0, 0.1], &a), (&[0.1, 1.0], &a), (&[0.2, 1.0], &b), (&[0.3, 1.0], &b)];
        assert_eq!(knn_accuracy(&index, &queries, 5), Some(0.75));
        assert_eq!(knn_accuracy(&index, &[], 5), None);
        assert_eq!(knn_accuracy(&[], &queries, 5), None);
    }
}
