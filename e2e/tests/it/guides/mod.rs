//! The commands of the tutorial and of the user guide, executed as a reader would, and those of the README.

mod blocks;
mod console;
mod run;
