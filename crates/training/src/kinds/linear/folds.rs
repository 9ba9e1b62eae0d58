//! Assignment of examples to cross-validation folds: groups of near-duplicates stay together, classes are balanced, ties are broken by the
//! seed.

use std::collections::BTreeMap;

use aprendiz_run_spec::LinearParams;

use crate::random::Random;

/// Number of scored examples above which a field is not partitioned once more. One partition of many examples is hardly a matter of luck,
/// and this bounds the time and the size of checkpoints.
const MAX_REPEATED_EXAMPLES: usize = 5_000;

/// Assigns each example to a fold. Returns the number of folds, which is `folds` or the number of groups if that is smaller, and the fold
/// of each example. `None` if there are fewer than two groups.
pub(crate) fn assign(groups: &[&str], classes: &[usize], folds: usize, seed: u64) -> Option<(usize, Vec<usize>)> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (example, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(example);
    }
    let folds = folds.min(members.len());
    if folds < 2 {
        return None;
    }
    let mut members: Vec<Vec<usize>> = members.into_values().collect();
    Random::new(seed).shuffle(&mut members);
    // large groups first, while there is room to balance them; the sort is stable, so the shuffled order breaks ties
    members.sort_by_key(|group| std::cmp::Reverse(group.len()));

    let class_count = classes.iter().max().map_or(0, |class| class + 1);
    let mut sizes = vec![0; folds];
    let mut class_sizes = vec![vec![0; class_count]; folds];
    let mut assigned = vec![0; groups.len()];
    for group in members {
        let load = |fold: usize| {
            let same_class: usize = group.iter().map(|example| class_sizes[fold][classes[*example]]).sum();
            (same_class, sizes[fold], fold)
        };
        let fold = (0..folds).min_by_key(|fold| load(*fold)).expect("there are at least two folds");
        for example in group {
            assigned[example] = fold;
            sizes[fold] += 1;
            class_sizes[fold][classes[example]] += 1;
        }
    }
    Some((folds, assigned))
}

/// Assigns each example to folds in further partitions: `fold_repeats - 1` of them, or fewer if there are many examples.
pub(crate) fn assign_again(groups: &[&str], classes: &[usize], params: &LinearParams, seed: u64) -> Vec<Vec<usize>> {
    let partitions = params.fold_repeats.min(MAX_REPEATED_EXAMPLES / groups.len().max(1)).max(1);
    let repeat_seed = |repeat: usize| seed ^ (repeat as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let assigned = (1..partitions).filter_map(|repeat| assign(groups, classes, params.folds, repeat_seed(repeat)));
    assigned.map(|(_, assigned)| assigned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("g{number}")).collect()
    }

    #[test]
    fn a_group_is_never_split() {
        let groups = ["a", "b", "a", "c", "b", "a"];
        let (folds, assigned) = assign(&groups, &[0, 1, 0, 1, 0, 1], 3, 1).unwrap();
        assert_eq!(folds, 3);
        assert!(assigned[0] == assigned[2] && assigned[2] == assigned[5]);
        assert_eq!(assigned[1], assigned[4]);
    }

    #[test]
    fn classes_are_balanced() {
        let names = names(20);
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let classes: Vec<usize> = (0..20).map(|example| example % 2).collect();
        let (_, assigned) = assign(&groups, &classes, 5, 3).unwrap();
        for fold in 0..5 {
            for class in 0..2 {
                let count = (0..20).filter(|example| assigned[*example] == fold && classes[*example] == class).count();
                assert_eq!(count, 2);
            }
        }
    }

    #[test]
    fn only_the_seed_decides() {
        let names = names(30);
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let classes = vec![0; 30];
        assert_eq!(assign(&groups, &classes, 5, 1), assign(&groups, &classes, 5, 1));
        assert_ne!(assign(&groups, &classes, 5, 1), assign(&groups, &classes, 5, 2));
    }

    #[test]
    fn few_groups_give_few_folds_and_one_gives_none() {
        assert_eq!(assign(&["a", "b"], &[0, 1], 5, 1).map(|(folds, _)| folds), Some(2));
        assert_eq!(assign(&["a", "a"], &[0, 1], 5, 1), None);
        assert_eq!(assign(&[], &[], 5, 1), None);
    }

    #[test]
    fn further_partitions_differ_and_are_bounded() {
        let names = names(1_000);
        let groups: Vec<&str> = names.iter().map(String::as_str).collect();
        let params = |fold_repeats| LinearParams { fold_repeats, ..LinearParams::default() };
        let again = |count: usize, repeats| assign_again(&groups[..count], &vec![0; count], &params(repeats), 7);
        assert_eq!([again(30, 1).len(), again(30, 4).len(), again(1_000, 20).len()], [0, 3, 4]);
        let partitions = again(30, 4);
        assert!(partitions[0] != partitions[1] && partitions[1] != partitions[2]);
        assert_eq!(partitions, again(30, 4));
        // a group alone cannot be held out
        assert!(assign_again(&["a", "a"], &[0, 1], &params(3), 7).is_empty());
    }
}
