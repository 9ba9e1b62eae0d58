//! Reads JSON Lines files of the scratch folder.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::interruption::Interruption;

/// Parses each line of a JSON Lines file, until the attempt has been cancelled, because its result is not used.
pub(crate) fn for_each_line<T: DeserializeOwned>(
    path: &Path,
    cancelled: &CancellationToken,
    mut visit: impl FnMut(T) -> Result<(), Interruption>,
) -> Result<(), Interruption> {
    let file = File::open(path).map_err(|error| Interruption::scratch(path, &error))?;
    for line in BufReader::new(file).lines() {
        if cancelled.is_cancelled() {
            return Err(Interruption::LeaseLost);
        }
        let line = line.map_err(|error| Interruption::scratch(path, &error))?;
        visit(serde_json::from_str(&line).map_err(Interruption::broken_state)?)?;
    }
    Ok(())
}
