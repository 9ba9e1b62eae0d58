//! Split ratios of an installation.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::splits::split::Split;

/// Fractions of documents for train and validation; the rest goes to test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitRatios {
    train: f64,
    validation: f64,
}

/// The ratios are out of range or do not sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("split ratios must be three numbers from 0 to 1 that sum to 1, for example 0.7 0.15 0.15")]
pub struct InvalidRatios;

impl Default for SplitRatios {
    /// 70 % train, 15 % validation, 15 % test.
    fn default() -> Self {
        Self { train: 0.70, validation: 0.15 }
    }
}

impl SplitRatios {
    /// Creates ratios of train, validation and test.
    ///
    /// # Errors
    /// When a ratio is not in `0..=1` or they do not sum to 1.
    pub fn new(train: f64, validation: f64, test: f64) -> Result<Self, InvalidRatios> {
        let ratios = [train, validation, test];
        if ratios.iter().any(|ratio| !(0.0..=1.0).contains(ratio)) || (ratios.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            return Err(InvalidRatios);
        }
        Ok(Self { train, validation })
    }

    /// Assigns a group to a split: compares the hash of its key, as a fraction of 1, with the ratios.
    #[must_use]
    pub fn assign(self, group_key: &str) -> Split {
        let digest = Sha256::digest(group_key.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        #[expect(clippy::cast_precision_loss, reason = "the low bits of a hash do not matter")]
        let fraction = u64::from_be_bytes(first) as f64 / 2f64.powi(64);
        if fraction < self.train {
            Split::Train
        } else if fraction < self.train + self.validation {
            Split::Validation
        } else {
            Split::Test
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_assigned_in_proportion_to_the_ratios() {
        let ratios = SplitRatios::default();
        let mut counts = [0_u32; 3];
        for number in 0..20_000 {
            counts[ratios.assign(&format!("group {number}")) as usize] += 1;
        }
        assert!((13_700..14_300).contains(&counts[0]), "{counts:?}");
        assert!((2_800..3_200).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn ratios_must_sum_to_one() {
        assert!(SplitRatios::new(0.8, 0.1, 0.1).is_ok());
        assert_eq!(SplitRatios::new(0.8, 0.1, 0.2), Err(InvalidRatios));
        assert_eq!(SplitRatios::new(1.2, -0.1, -0.1), Err(InvalidRatios));
        assert_eq!(SplitRatios::new(f64::NAN, 0.5, 0.5), Err(InvalidRatios));
    }

    #[test]
    fn a_train_ratio_of_one_assigns_everything_to_train() {
        let ratios = SplitRatios::new(1.0, 0.0, 0.0).unwrap();
        assert!((0..100).all(|number| ratios.assign(&number.to_string()) == Split::Train));
    }
}
