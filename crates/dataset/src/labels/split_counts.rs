//! Number of examples per split.

use serde::{Deserialize, Serialize};

use crate::split::Split;

/// Number of examples in each split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitCounts {
    pub(crate) train: i64,
    pub(crate) validation: i64,
    pub(crate) test: i64,
}

impl SplitCounts {
    pub(crate) const fn add(&mut self, split: Split, count: i64) {
        match split {
            Split::Train => self.train += count,
            Split::Validation => self.validation += count,
            Split::Test => self.test += count,
        }
    }

    pub(crate) const fn get(self, split: Split) -> i64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    pub(crate) const fn total(self) -> i64 {
        self.train + self.validation + self.test
    }
}
