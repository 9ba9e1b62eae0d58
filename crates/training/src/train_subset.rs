//! A part of the train split, by groups of near-duplicates.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::TrainingError;

/// The keys of a line that decide whether it belongs to the subset.
#[derive(Deserialize)]
struct GroupOfLine {
    document_id: String,
    #[serde(default)]
    group: Option<String>,
}

/// Writes the lines of `train` whose group belongs to the subset to `out`, unchanged and in file order, and returns their number.
///
/// `fraction` is the expected share of groups, between 0 and 1. For one seed, a larger fraction contains every smaller one. `check` is called
/// before every line: its error ends the copy, so that a large file delays no cancellation.
///
/// # Errors
/// `io` if a file cannot be read or written, `bad_dataset` if a line has no document id, and those of `check`.
pub(crate) fn write_train_subset<E: From<TrainingError>>(
    train: &Path,
    fraction: f64,
    seed: u64,
    out: &Path,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<usize, E> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(train).map_err(TrainingError::io(train))?);
    let mut writer = BufWriter::new(File::create(out).map_err(TrainingError::io(out))?);
    let (mut line, mut written) = (Vec::new(), 0);
    for number in 1.. {
        check()?;
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(TrainingError::io(train))? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let parsed: GroupOfLine = serde_json::from_slice(&line).map_err(|error| TrainingError::BadDataset {
            path: train.to_owned(),
            line: Some(number),
            reason: error.to_string(),
        })?;
        if is_in_subset(parsed.group.as_deref().unwrap_or(&parsed.document_id), fraction, seed) {
            writer.write_all(&line).map_err(TrainingError::io(out))?;
            written += 1;
        }
    }
    writer.flush().map_err(TrainingError::io(out))?;
    Ok(written)
}

/// Compares a hash of the group, as a number between 0 and 1, with the fraction.
fn is_in_subset(group: &str, fraction: f64, seed: u64) -> bool {
    let hash = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(group).finalize();
    let first = u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"));
    // 53 bits are exact in a double
    ((first >> 11) as f64) / ((1_u64 << 53) as f64) < fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_fractions_contain_smaller_ones_and_groups_stay_together() {
        let groups: Vec<String> = (0..2000).map(|group| format!("group {group}")).collect();
        let chosen = |fraction| groups.iter().filter(|group| is_in_subset(group, fraction, 7)).collect::<Vec<_>>();
        let (small, large) = (chosen(0.2), chosen(0.6));
        assert!(small.iter().all(|group| large.contains(group)));
        assert!((340..460).contains(&small.len()), "{}", small.len());
        assert_eq!(chosen(1.0).len(), 2000);
        assert!(chosen(0.0).is_empty());
        assert_ne!(small, groups.iter().filter(|group| is_in_subset(group, 0.2, 8)).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_copied_unchanged() {
        let folder = std::env::temp_dir().join(format!("aprendiz-train-subset-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (train, out) = (folder.join("train.jsonl"), folder.join("subset.jsonl"));
        let proceed = || Ok::<_, TrainingError>(());
        let lines = "{\"document_id\":\"a\",\"group\":\"g\",\"text\":\"x\"}\n{\"document_id\":\"b\",\"group\":\"g\",\"text\":\"y\"}\n";
        std::fs::write(&train, lines).expect("a file");
        assert_eq!(write_train_subset(&train, 1.0, 1, &out, proceed).expect("a subset"), 2);
        assert_eq!(std::fs::read_to_string(&out).expect("the subset"), lines);
        let mut left = 1;
        let stopped = write_train_subset(&train, 1.0, 1, &out, || {
            left -= 1;
            if left < 0 { Err(TrainingError::BadParams("stopped".to_owned())) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(TrainingError::BadParams(_))), "a check between two lines ends the copy");
        std::fs::write(&train, "{\"text\":\"x\"}\n").expect("a file");
        assert!(matches!(write_train_subset(&train, 1.0, 1, &out, proceed), Err(TrainingError::BadDataset { line: Some(1), .. })));
        std::fs::remove_dir_all(&folder).expect("the folder is removed");
    }
}
