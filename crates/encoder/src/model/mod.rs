//! The network: configuration, weights, forward pass and modules, as read from a directory.

pub(crate) mod batch;

pub(crate) mod config;
pub(crate) mod dense;
pub(crate) mod dense_module;
pub(crate) mod directory;
pub(crate) mod family;
pub(crate) mod modules;
pub(crate) mod network;
pub(crate) mod parts;
pub(crate) mod pooling;
pub(crate) mod prompts;
pub(crate) mod reader;
pub(crate) mod transformer_module;
pub(crate) mod weight_files;
pub(crate) mod weight_names;
pub(crate) mod weights;
