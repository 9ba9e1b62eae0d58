//! Transitive closure of positive pairs (union-find).

use std::collections::HashMap;

/// A text within a field.
type Text = (u32, u32);

/// Connected components of texts.
#[derive(Debug, Default)]
pub(super) struct ConnectedComponents {
    nodes: HashMap<Text, u32>,
    /// Parent of each node; a root is its own parent.
    parents: Vec<u32>,
}

impl ConnectedComponents {
    /// Merges the components of two texts.
    pub(super) fn union(&mut self, one: Text, other: Text) {
        let (one, other) = (self.insert(one), self.insert(other));
        let (one, other) = (self.root(one), self.root(other));
        // the older root wins, whatever the order of the pairs
        let (first, second) = (one.min(other), one.max(other));
        self.parents[second as usize] = first;
    }

    /// The component of a text; `None` if it was never part of a pair.
    pub(super) fn find(&mut self, text: Text) -> Option<u32> {
        let node = self.nodes.get(&text).copied()?;
        Some(self.root(node))
    }

    fn insert(&mut self, text: Text) -> u32 {
        let next = u32::try_from(self.parents.len()).expect("fewer than 2^32 texts");
        let node = *self.nodes.entry(text).or_insert(next);
        if node == next {
            self.parents.push(next);
        }
        node
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            let parent = self.parents[node as usize];
            // path halving
            self.parents[node as usize] = self.parents[parent as usize];
            node = parent;
        }
        node
    }
}
