//! The kind `auto`: trains linear models and field classifiers, and selects what predicts each field by out-of-fold scores.

mod candidates;
mod choice;
mod mixture;
mod publish;
mod train;
mod trainable;
