//! Which split a document falls into when it arrives. Not here: what near-duplicates change about it (`near_duplicates`).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Split of a document, decided when it arrives and then kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "split", rename_all = "lowercase")]
pub enum Split {
    /// Weights are learned from it.
    Train,
    /// Choices are made on it.
    Validation,
    /// Read once, at the end.
    Test,
    /// In none of them.
    Excluded,
}

impl Split {
    /// The name used in the database, the API and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Excluded => "excluded",
        }
    }
}

/// Shares of the splits, installation-wide. What is left of 1 goes to test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitRatios {
    train: f64,
    validation: f64,
}

/// The shares given are not shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("split ratios must be three numbers from 0 to 1 whose sum is 1, for example 0.7 0.15 0.15")]
pub struct InvalidRatios;

impl Default for SplitRatios {
    /// 70 % train, 15 % validation, 15 % test.
    fn default() -> Self {
        Self { train: 0.70, validation: 0.15 }
    }
}

impl SplitRatios {
    /// Ratios of train, validation and test.
    ///
    /// # Errors
    /// When one is not in 0..=1 or their sum is not 1.
    pub fn new(train: f64, validation: f64, test: f64) -> Result<Self, InvalidRatios> {
        let shares = [train, validation, test];
        if shares.iter().any(|share| !(0.0..=1.0).contains(share)) || (shares.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            return Err(InvalidRatios);
        }
        Ok(Self { train, validation })
    }

    /// The split of a group: the hash of its key, as a fraction of 1, against the shares.
    #[must_use]
    pub fn split_of(self, group_key: &str) -> Split {
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

/// The group of a text: SHA-256 (lower-case hex) of the text in lower case with every run of white space as one blank,
/// so that texts that differ in nothing else share a group.
#[must_use]
pub fn group_key_of(text: &str) -> String {
    const CHUNK: usize = 16 * 1024;
    let mut hash = Sha256::new();
    let mut normal = Vec::with_capacity(CHUNK + 16);
    let (mut gap, mut started) = (false, false);
    let mut rest = text;
    // bytes where they are ASCII, as most are: every text of every import comes through here
    while let Some(&byte) = rest.as_bytes().first() {
        let character = if byte.is_ascii() { char::from(byte) } else { rest.chars().next().unwrap_or_default() };
        rest = &rest[character.len_utf8()..];
        if character.is_whitespace() {
            gap = started;
            continue;
        }
        if gap {
            normal.push(b' ');
        }
        (gap, started) = (false, true);
        if byte.is_ascii() {
            normal.push(byte.to_ascii_lowercase());
        } else {
            // char by char: the final-sigma rule of str::to_lowercase would depend on the neighbours
            for lower in character.to_lowercase() {
                normal.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if normal.len() >= CHUNK {
            hash.update(&normal);
            normal.clear();
        }
    }
    hash.update(&normal);
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_case_and_blanks_share_a_group() {
        assert_eq!(group_key_of("Master  AGREEMENT\n\nbetween É"), group_key_of(" master agreement between é "));
        assert_ne!(group_key_of("master agreement"), group_key_of("masteragreement"));
    }

    #[test]
    fn a_long_text_is_hashed_as_one() {
        let long = "Word ".repeat(20_000);
        assert_eq!(group_key_of(&long), hex::encode(Sha256::digest(long.trim().to_lowercase().as_bytes())));
    }

    #[test]
    fn shares_come_out_as_asked() {
        let ratios = SplitRatios::default();
        let mut counts = [0_u32; 3];
        for number in 0..20_000 {
            counts[ratios.split_of(&format!("group {number}")) as usize] += 1;
        }
        assert!((13_700..14_300).contains(&counts[0]), "{counts:?}");
        assert!((2_800..3_200).contains(&counts[1]), "{counts:?}");
    }

    #[test]
    fn ratios_must_be_shares_of_one() {
        assert!(SplitRatios::new(0.8, 0.1, 0.1).is_ok());
        assert_eq!(SplitRatios::new(0.8, 0.1, 0.2), Err(InvalidRatios));
        assert_eq!(SplitRatios::new(1.2, -0.1, -0.1), Err(InvalidRatios));
        assert_eq!(SplitRatios::new(f64::NAN, 0.5, 0.5), Err(InvalidRatios));
    }

    #[test]
    fn everything_is_train_when_train_is_all() {
        let ratios = SplitRatios::new(1.0, 0.0, 0.0).unwrap();
        assert!((0..100).all(|number| ratios.split_of(&number.to_string()) == Split::Train));
    }
}
