//! Which texts belong together, by way of others too.

use std::collections::HashMap;

/// A text within a field.
type Text = (u32, u32);

/// Sets of texts that were joined ("union-find").
#[derive(Debug, Default)]
pub(super) struct Classes {
    numbers: HashMap<Text, u32>,
    /// Of each text, another of its class, nearer to the one that stands for all.
    above: Vec<u32>,
}

impl Classes {
    /// Puts two texts, and all that belong to either, into one class.
    pub(super) fn join(&mut self, one: Text, other: Text) {
        let (one, other) = (self.number(one), self.number(other));
        let (one, other) = (self.top(one), self.top(other));
        // the older stands for both, whatever the order of the pairs
        let (first, second) = (one.min(other), one.max(other));
        self.above[second as usize] = first;
    }

    /// The class of a text that was joined with another.
    pub(super) fn of(&mut self, text: Text) -> Option<u32> {
        let number = self.numbers.get(&text).copied()?;
        Some(self.top(number))
    }

    fn number(&mut self, text: Text) -> u32 {
        let next = u32::try_from(self.above.len()).expect("fewer than 2^32 texts");
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.above.push(next);
        }
        number
    }

    fn top(&mut self, mut number: u32) -> u32 {
        while self.above[number as usize] != number {
            let above = self.above[number as usize];
            // half the way is saved for the next time
            self.above[number as usize] = self.above[above as usize];
            number = above;
        }
        number
    }
}
