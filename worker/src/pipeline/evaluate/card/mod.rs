//! Writes the model card into the directory of a model: `card.json`, `card.html` and the plots.

pub(crate) mod champion;
pub(crate) mod document;
mod html;
pub(crate) mod learning;
mod markdown;
pub(crate) mod readme;
mod slices;

use std::path::Path;

use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::document::Card;
use crate::pipeline::evaluate::card::html::render;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::scratch::write_file;

/// The structured card.
const JSON_FILE: &str = "card.json";
/// The same for people: one file with its plots, for browsers.
const HTML_FILE: &str = "card.html";
/// Folder of the plots.
const PLOTS_FOLDER: &str = "plots";

/// Writes the card and its plots.
pub(crate) async fn write_card(model_dir: &Path, card: &Card<'_>, plots: &[Plot]) -> Result<(), Interruption> {
    if !plots.is_empty() {
        let folder = model_dir.join(PLOTS_FOLDER);
        tokio::fs::create_dir_all(&folder).await.map_err(|error| Interruption::scratch(&folder, &error))?;
    }
    for plot in plots {
        write_file(&model_dir.join(&plot.file), plot.svg.as_bytes()).await?;
    }
    write_file(&model_dir.join(JSON_FILE), &serde_json::to_vec_pretty(card).map_err(Interruption::broken_state)?).await?;
    write_file(&model_dir.join(HTML_FILE), render(card, plots).as_bytes()).await
}
