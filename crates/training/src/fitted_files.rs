//! The documents that a model is fitted on: those of train, or of several splits in one file.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{error::TrainingError, protocol::job::TrainingJob};

/// The files of several splits one after the other, in the folder of the reports.
const MERGED_FILE: &str = "fitted_splits.jsonl";

/// The file with the documents that the measured model of a job is fitted on. Those of train come first.
pub(crate) fn measured_file(job: &TrainingJob) -> Result<PathBuf, TrainingError> {
    if job.params.final_fit().includes_validation() { merge(job, &[&job.train, &job.validation]) } else { Ok(job.train.clone()) }
}

/// The file with the documents of all splits. It replaces that of [`measured_file`].
pub(crate) fn whole_file(job: &TrainingJob, test: &Path) -> Result<PathBuf, TrainingError> {
    merge(job, &[&job.train, &job.validation, test])
}

/// Deletes a file that [`measured_file`] or [`whole_file`] has written.
pub(crate) fn remove_merged(job: &TrainingJob, path: &Path) -> Result<(), TrainingError> {
    if path == job.train { Ok(()) } else { fs::remove_file(path).map_err(TrainingError::io(path)) }
}

fn merge(job: &TrainingJob, parts: &[&Path]) -> Result<PathBuf, TrainingError> {
    fs::create_dir_all(&job.reports).map_err(TrainingError::io(&job.reports))?;
    let path = job.reports.join(MERGED_FILE);
    let mut out = BufWriter::new(File::create(&path).map_err(TrainingError::io(&path))?);
    for part in parts {
        append(part, &mut out).map_err(TrainingError::io(part))?;
    }
    out.flush().map_err(TrainingError::io(&path))?;
    Ok(path)
}

/// Copies the lines of a file, each with its line end.
fn append(part: &Path, out: &mut impl Write) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(part)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        if !line.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_even_if_the_file_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("part");
        let mut out = Vec::new();
        for text in ["{}\n{}", "", "{}\n"] {
            fs::write(&path, text).unwrap();
            append(&path, &mut out).unwrap();
        }
        assert_eq!(out, b"{}\n{}\n{}\n");
    }
}
