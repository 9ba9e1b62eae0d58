//! Reads the settings of a Dense module.

use crate::{
    error::EncoderError,
    files::{CONFIG_FILE, WEIGHTS_FILE},
    model::{
        dense::DenseConfig,
        reader::{DirectoryReader, join},
        weight_files::{explain_missing, has_weights},
    },
};

/// Reads the settings of the module in `folder`. The file of the weights is recorded and its values are not read.
pub(crate) fn read_dense(reader: &mut DirectoryReader, folder: &str) -> Result<DenseConfig, EncoderError> {
    let name = join(folder, CONFIG_FILE);
    let object = reader.find_object(&name)?.ok_or_else(|| reader.reject(&name, "is missing, although modules.json lists its folder"))?;
    let config = DenseConfig::parse(&object, folder).map_err(|reason| reader.reject(&name, reason))?;
    if !has_weights(reader, folder) {
        return Err(reader.reject(&join(folder, WEIGHTS_FILE), explain_missing(reader, folder)));
    }
    reader.record(&join(folder, WEIGHTS_FILE));
    Ok(config)
}
