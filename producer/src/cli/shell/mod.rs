//! `aprendiz completions` and `aprendiz man`: what the shell and `man` know about this command line.

pub(crate) mod completions;
pub(crate) mod man;
