//! The kind `sentence-transformer`: fine-tunes a sentence encoder on pairs of texts.

pub(crate) mod adamw;
pub(crate) mod batches;
pub(crate) mod connected_components;
pub(crate) mod evaluate;
pub(crate) mod few_shot;
pub(crate) mod knn;
pub(crate) mod loss;
pub(crate) mod model_card;
pub(crate) mod pair;
pub(crate) mod pair_metrics;
pub(crate) mod pairs;
pub(crate) mod parameters;
pub(crate) mod progress;
pub(crate) mod schedule;
pub(crate) mod text_classes;
mod token_file;
pub(crate) mod train;
pub(crate) mod trainable;
pub(crate) mod trainer_state;
