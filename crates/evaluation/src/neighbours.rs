//! How well a text's class can be told from the classes of its nearest neighbours.

use crate::example::Label;

/// Most probable class of each query among the `k` known vectors of the greatest cosine: the class most of them have, of equally many the
/// one with the nearest. `None` for a query where nothing is known.
#[must_use]
pub fn nearest_class(known: &[(&[f32], &Label)], queries: &[&[f32]], k: usize) -> Vec<Option<Label>> {
    let lengths: Vec<f64> = known.iter().map(|(vector, _)| dot(vector, vector).sqrt()).collect();
    let class = |query: &&[f32]| {
        let mut near: Vec<(f64, &Label)> = known
            .iter()
            .zip(&lengths)
            .map(|((vector, class), length)| (dot(query, vector) / length.max(f64::MIN_POSITIVE), *class))
            .collect();
        // stable: of equal cosines the first known comes first
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.truncate(k);
        let votes = |class: &Label| near.iter().filter(|(_, other)| *other == class).count();
        // the first of those with most votes is the one with the nearest neighbour
        near.iter().rev().max_by_key(|(_, class)| votes(class)).map(|(_, class)| (*class).clone())
    };
    queries.iter().map(class).collect()
}

/// Share of queries whose class is the [`nearest_class`]; not defined for no query, or where nothing is known.
#[must_use]
pub fn knn_accuracy(known: &[(&[f32], &Label)], queries: &[(&[f32], &Label)], k: usize) -> Option<f64> {
    if known.is_empty() || queries.is_empty() {
        return None;
    }
    let vectors: Vec<&[f32]> = queries.iter().map(|(vector, _)| *vector).collect();
    let told = nearest_class(known, &vectors, k);
    let right = told.iter().zip(queries).filter(|(told, (_, class))| told.as_ref() == Some(*class)).count();
    Some(right as f64 / queries.len() as f64)
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
    fn the_class_of_most_neighbours_wins_and_of_equally_many_the_nearest() {
        let (a, b, none) = (label("a"), label("b"), None);
        let known: [(&[f32], &Label); 4] = [(&[1.0, 0.1], &a), (&[9.0, 0.0], &b), (&[1.0, 0.3], &a), (&[0.0, 1.0], &none)];
        let queries: [&[f32]; 2] = [&[1.0, 0.0], &[0.0, 1.0]];
        assert_eq!(nearest_class(&known, &queries, 1), [Some(label("b")), Some(None)]);
        assert_eq!(nearest_class(&known, &queries, 2), [Some(label("b")), Some(None)]);
        assert_eq!(nearest_class(&known, &queries, 3), [Some(label("a")), Some(label("a"))]);
        assert_eq!(nearest_class(&[], &queries, 3), [None, None]);
    }

    #[test]
    fn the_share_of_queries_told_right_is_the_accuracy() {
        let (a, b) = (label("a"), label("b"));
        let known: [(&[f32], &Label); 2] = [(&[1.0, 0.0], &a), (&[0.0, 1.0], &b)];
        let queries: [(&[f32], &Label); 4] = [(&[1.0, 0.1], &a), (&[0.1, 1.0], &a), (&[0.2, 1.0], &b), (&[0.3, 1.0], &b)];
        assert_eq!(knn_accuracy(&known, &queries, 5), Some(0.75));
        assert_eq!(knn_accuracy(&known, &[], 5), None);
        assert_eq!(knn_accuracy(&[], &queries, 5), None);
    }
}
