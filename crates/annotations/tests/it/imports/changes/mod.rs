//! Reviews of one document, and files that are imported again.

mod annotations;
mod deletions;
mod equal_times;
mod reimport;
