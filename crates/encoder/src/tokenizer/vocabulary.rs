//! The tokens of a tokenizer by their ids, which may have holes.

use std::collections::{BTreeMap, BTreeSet};

/// Tokens by their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    tokens: BTreeMap<u32, String>,
    /// Tokens whose id another token has, too.
    shared: Vec<String>,
}

impl Vocabulary {
    /// Collects all tokens. If two tokens have the same id, the first in the order of their bytes represents it.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let sorted: BTreeSet<(u32, &str)> = tokens.map(|(token, id)| (id, token)).collect();
        let mut vocabulary = Self::default();
        for (id, token) in sorted {
            match vocabulary.tokens.get(&id) {
                Some(first) => vocabulary.shared.push(format!("`{first}` and `{token}` ({id})")),
                None => drop(vocabulary.tokens.insert(id, token.to_owned())),
            }
        }
        vocabulary
    }

    pub(super) fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(&id).map(String::as_str)
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.tokens.values().any(|known| known == token)
    }

    /// Checks that the table of embeddings has a row for each id.
    pub(super) fn check(&self, rows: usize) -> Result<(), String> {
        let mut beyond = self.tokens.iter().filter(|(id, _)| **id as usize >= rows);
        let Some((id, token)) = beyond.next() else { return Ok(()) };
        let others = match beyond.count() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        Err(format!("token `{token}` has id {id}{others}, but vocab_size is {rows}: the network has no embeddings for it"))
    }

    /// What a reader of the model should know about its ids.
    pub(super) fn notes(&self) -> Vec<String> {
        if self.shared.is_empty() {
            return Vec::new();
        }
        const MAX_SHOWN: usize = 5;
        let more = if self.shared.len() > MAX_SHOWN { format!(" and {} more", self.shared.len() - MAX_SHOWN) } else { String::new() };
        let shown = &self.shared[..self.shared.len().min(MAX_SHOWN)];
        vec![format!("tokens share an id, and so an embedding: {}{more}", shown.join(", "))]
    }

    /// The lines of `vocab.txt`: each token in the line of its id. Unused ids get placeholders.
    pub(super) fn lines(&self) -> Vec<String> {
        let taken: BTreeSet<&str> = self.tokens.values().map(String::as_str).collect();
        let placeholder = |id: u32| {
            let plain = format!("[unused{id}]");
            if taken.contains(plain.as_str()) { format!("[unused{id}-hole]") } else { plain }
        };
        let end = self.tokens.last_key_value().map_or(0, |(id, _)| id + 1);
        (0..end).map(|id| self.tokens.get(&id).cloned().unwrap_or_else(|| placeholder(id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_keeps_the_line_of_its_id() {
        let vocabulary = Vocabulary::new([("c", 5), ("a", 0), ("[unused2]", 1), ("b", 3)].into_iter());
        assert_eq!(vocabulary.lines(), ["a", "[unused2]", "[unused2-hole]", "b", "[unused4]", "c"]);
        assert!(vocabulary.check(6).is_ok() && vocabulary.notes().is_empty());
        assert_eq!(
            vocabulary.check(3).unwrap_err(),
            "token `b` has id 3 and 1 more, but vocab_size is 3: the network has no embeddings for it"
        );
    }

    #[test]
    fn tokens_of_the_same_id_are_noted() {
        let vocabulary = Vocabulary::new([("b", 1), ("a", 1), ("c", 0)].into_iter());
        assert_eq!(vocabulary.lines(), ["c", "a"]);
        assert_eq!(vocabulary.notes(), ["tokens share an id, and so an embedding: `a` and `b` (1)"]);
        // a token that is in the vocabulary and among the added ones is one token
        assert!(Vocabulary::new([("a", 1), ("a", 1)].into_iter()).notes().is_empty());
    }
}
