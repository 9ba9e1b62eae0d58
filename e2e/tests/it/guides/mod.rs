//! The commands of the README and of the user guides, executed as a reader would.

mod blocks;
mod console;
mod run;
