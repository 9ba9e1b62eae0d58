//! Trains the kind `sentence-transformer`: an encoder learns from pairs of texts which of them belong together.

mod adamw;
mod batches;
mod classes;
mod evaluate;
mod few_shot;
mod loss;
mod neighbours;
mod pairs;
mod random;
mod schedule;
mod score;
mod state;
mod token_file;
mod train;

pub use evaluate::{
    EmbeddingFiles, EmbeddingUse, EncoderFieldReport, EncoderReport, EvaluationJob, MOST_TEST_PAIRS, NeighbourFigures, evaluate,
};
pub use neighbours::NEIGHBOURS;
pub use score::PairFigures;
pub(crate) use train::train;
