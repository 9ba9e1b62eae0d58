//! Trains the kind `sentence-transformer`: an encoder learns from pairs of texts which of them belong together.

mod adamw;
mod batches;
mod few_shot;
mod loss;
mod neighbours;
mod pairs;
mod random;
mod schedule;
mod score;
mod state;
mod train;

pub use neighbours::{FieldNeighbours, NEIGHBOURS, field_neighbours};
pub use score::PairFigures;
pub(crate) use train::train;
